"""The grounding table written down: CSV, Markdown, and a figure with a panel a number and a bar a role."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from vitbench.captions.grounding_table import RoleRow, to_csv, to_markdown
from vitbench.figures.fonts import every_glyph
from vitbench.files.outputs import Outputs

_PANELS = {
    "auc": ("AUC of patch scores", 0.5, (0, 1.02)),
    "pointing": ("Pointing hits (line: chance)", None, (0, 1.02)),
    "entropy": ("Entropy (1 is everywhere)", None, (0, 1.02)),
    "deletion_drop": ("Deletion drop (nats)", 0.0, None),
}


FILES = ("grounding.csv", "grounding.md", "grounding.png")


def write_grounding(
    outputs: Outputs, folder: Path, rows: Sequence[RoleRow], title: str, facts: Mapping[str, str]
) -> None:
    """Writes the FILES into a folder. UserError if it cannot be done.

    `title` says in words how the maps were made, `facts` in columns of the CSV.
    """
    contents: tuple[bytes | str, ...] = (
        to_csv(rows, facts),
        f"{title}\n\n{to_markdown(rows)}",
        grounding_figure_bytes(rows, title),
    )
    for name, content in zip(FILES, contents, strict=True):
        outputs.write(folder / name, content)


def grounding_figure_bytes(rows: Sequence[RoleRow], title: str) -> bytes:
    """The figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(_PANELS), 0.34 * len(rows) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title.replace("$", r"\$"), fontsize=9)
    places = list(range(len(rows)))
    for number, (name, (label, line, limits)) in enumerate(_PANELS.items()):
        axes = figure.add_subplot(1, len(_PANELS), number + 1)
        for place, row in zip(places, rows, strict=True):
            estimate = row.columns[name]
            if estimate is None:
                continue
            # A mean may lie outside the percentiles of very few pictures.
            below, above = max(0.0, estimate.value - estimate.low), max(0.0, estimate.high - estimate.value)
            axes.barh(place, estimate.value, color="#4c78a8", xerr=[[below], [above]], ecolor="#333333", capsize=2)
            chance = row.columns["chance"]
            if name == "pointing" and chance is not None:
                axes.plot([chance.value] * 2, [place - 0.4, place + 0.4], color="#e45756", linewidth=1.5)
        if line is not None:
            axes.axvline(line, color="#999999", linewidth=0.8, linestyle="--")
        if limits is not None:
            axes.set_xlim(*limits)
        axes.set_yticks(places, [row.role.lower() for row in rows] if number == 0 else [], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(label, fontsize=8)
        axes.tick_params(axis="x", labelsize=7)
    content = io.BytesIO()
    with every_glyph(figure):
        figure.savefig(content, format="png", dpi=150)
    return content.getvalue()
