"""A forest of intervals: a row a name, a panel a measure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitbench.figures.save import DPI, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasurePanel:
    """A measure: its name, which way is better, and a value for each row; None where there is none."""

    title: str
    better: str
    values: Sequence[Interval | None]


def measure_figure(
    names: Sequence[str], panels: Sequence[MeasurePanel], caption: str, *, hollow: Collection[str] = (), line: str = ""
) -> "Figure":
    """Panels in rows of four, the names at the left of each row.

    `hollow` names are controls, drawn as open points; `line` is the one whose value is a dotted line in each panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(1, -(-len(panels) // _COLUMNS))
    small = wrapped(caption, 1100)
    width, height = 12.0, rows * (0.75 + 0.2 * len(names)) + 0.17 * len(small) + 0.2
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    places = range(len(names))
    for number, axes in enumerate(figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True).flat):
        if number >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[number]
        for place, name, found in zip(places, names, panel.values, strict=True):
            if found is None:
                continue
            colour = "0.35" if name in hollow else "tab:blue"
            axes.plot([found.low, found.high], [place, place], color=colour, lw=1.5)
            axes.plot(found.value, place, "o", ms=5, color=colour, mfc="white" if name in hollow else colour)
            if name == line:
                axes.axvline(found.value, color="0.5", lw=0.8, ls=":")
        axes.set_title(f"{panel.title} ({panel.better})", fontsize=9)
        axes.set_yticks(places, names, fontsize=8)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.3, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("\n".join(small).replace("$", r"\$"), x=0.01, ha="left", fontsize=7.5)
    return figure
