"""The grounding table: measured as a request asks, and written down as CSV, Markdown and a figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitbench.captions.captioner import OpenedCaptioner
from vitbench.captions.grounding import ground
from vitbench.captions.grounding_by_head import measure_heads
from vitbench.captions.grounding_table import RoleRow, grounding_table, to_csv, to_markdown
from vitbench.captions.heads_by_kind import Choice, HeadScores, chosen_heads
from vitbench.captions.index import CaptionIndex, open_caption_data
from vitbench.captions.lexicon import name_of_kind
from vitbench.captions.open import open_captioner, pinned
from vitbench.captions.word_maps import MapSettings
from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.plots import Forest, Interval
from vitbench.figures.provenance import file_hash
from vitbench.figures.raster import enlarge
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import Cells, Panel, Scale, Sheet, in_rows
from vitbench.files.outputs import Outputs
from vitbench.progress import Progress, silent
from vitbench.requests.studies import CONTROLS, GroundingHeadsRequest, GroundingRequest
from vitbench.runs.store import Store
from vitbench.statistics import Estimate

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources

_PANELS: dict[str, tuple[str, float | None, tuple[float, float] | None]] = {
    "auc": ("AUC of patch scores", 0.5, (0, 1.02)),
    "pointing": ("Pointing hits (tick: chance)", None, (0, 1.02)),
    "entropy": ("Entropy (1 is everywhere)", None, (0, 1.02)),
    "deletion_drop": ("Deletion drop (nats)", 0.0, None),
}
_KINDS_IN_A_ROW = 3
FILES = ("grounding.csv", "grounding.md", "grounding.png")


@dataclass(frozen=True)
class Grounded:
    """What was measured: `facts` are columns of the table, `problems` and `notes` what was left out or guessed."""

    request: GroundingRequest
    rows: Sequence[RoleRow]
    title: str
    facts: dict[str, str]
    problems: list[str]
    notes: list[str]
    inputs: dict[str, str]
    heads_said: str = ""
    """Which heads show the words, and why, where nobody chose."""
    heads_used: bool = False
    """Whether different heads show different kinds of words."""


def measure_grounding(
    request: GroundingRequest,
    captioner: OpenedCaptioner,
    store: Path,
    progress: Progress = silent,
    data: CaptionIndex | None = None,
) -> Grounded:
    """Measures the words of the data's pictures. Raises UserError for data that there are not.

    `data` are the request's, where they are open already: every one of their pictures was looked at.
    """
    data = data or open_caption_data(request.data, store, progress, request.layout)
    pictures = data.split(request.split)[: request.limit]
    if not pictures:
        parts = ", ".join(sorted({picture.split for picture in data.pictures}))
        raise UserError(f"{data.root} has no pictures for {request.split}; it has {parts}.")
    control = request.method if request.method in CONTROLS else None
    layer, head = (None if number is None else number - 1 for number in (request.layer, request.head))
    choice = Choice(None, "")
    if request.by_kind:
        choice = chosen_heads(pinned(request.captioner, Store(store)), Store(store).runs_folder, request.row)
    settings = MapSettings(request.method, layer, head, request.row, choice.heads)
    if control:
        settings = MapSettings(row=request.row)
    problems: list[str] = []
    records = ground(
        captioner,
        pictures,
        settings,
        control=control,
        deletion=request.deletion,
        progress=progress,
        problems=problems,
    )
    how = f"control: {control}" if control else settings.describe()
    facts = {"method": control, "layer": "", "head": "", "row": settings.row} if control else settings.facts()
    title = f"{captioner.name} ({captioner.tag}) on {len(pictures):,} {request.split} pictures: {how}"
    inputs = {"captioner weights": captioner.weights_hash}
    if choice.heads is not None:
        inputs["heads by kind"] = choice.heads.hash
    inputs |= {picture.file.name: file_hash(picture.file) for picture in pictures if picture.file.exists()}
    return Grounded(
        request,
        grounding_table(records),
        title,
        facts,
        [*data.problems, *problems],
        list(data.notes),
        inputs,
        choice.said,
        choice.heads is not None,
    )


def measured_heads(
    request: GroundingHeadsRequest, captioner: OpenedCaptioner, store: Path, progress: Progress = silent
) -> HeadScores:
    """Every layer and head on the data's pictures. Raises UserError for data that there are not."""
    data = open_caption_data(request.data, store, progress, request.layout)
    pictures = data.split(request.split)[: request.limit]
    if not pictures:
        parts = ", ".join(sorted({picture.split for picture in data.pictures}))
        raise UserError(f"{data.root} has no pictures for {request.split}; it has {parts}.")
    where = f"{len(pictures):,} {request.split} pictures of {request.data}"
    return measure_heads(captioner, pictures, where, row=request.row, spoken=data.pictures, progress=progress)


def heads_sheet(request: GroundingHeadsRequest, captioner: OpenedCaptioner, scores: HeadScores) -> Sheet:
    """Pointing of each layer (row) and head (column), as colours with numbers: a panel a kind of word."""
    panels: list[Panel] = []
    arrays: dict[str, Any] = {}
    for kind, found in scores.kinds.items():
        values = np.array(found.pointing)
        layers, heads = values.shape
        side = max(16, 320 // max(layers, heads))
        numbers = tuple(tuple(f"{value:.2f}" for value in row) for row in found.pointing)
        panels.append(
            Panel(
                enlarge(colourise(values, "viridis", 0.0, 1.0), side),
                name_of_kind(kind).capitalize(),
                scale=Scale("viridis", 0.0, 1.0, "Words pointed at"),
                cells=Cells(layers, heads, "Layer", "Head", numbers=numbers),
            )
        )
        arrays |= {f"pointing_{kind}": values, f"auc_{kind}": np.array(found.auc)}
    caption = f"{captioner.name} ({captioner.tag}): {scores.sentence()}."
    inputs = {"captioner weights": captioner.weights_hash}
    rows = in_rows(panels, min(_KINDS_IN_A_ROW, len(panels)))
    return Sheet("grounding heads", request.record(), rows, scores.document(), caption, inputs, arrays=arrays)


def compose_heads(request: GroundingHeadsRequest, sources: "Sources", progress: Progress = silent) -> Sheet:
    """Measures every head. Raises UserError if captioner or data are gone, and says which."""
    named = pinned(request.captioner, sources.store)
    captioner = open_captioner(named, sources.store)
    request = request.changed(captioner=named)
    return heads_sheet(request, captioner, measured_heads(request, captioner, sources.folder, progress))


def write_grounding(outputs: Outputs, folder: Path, found: Grounded) -> None:
    """Writes the FILES into a folder. UserError if it cannot be done."""
    contents: tuple[bytes | str, ...] = (
        to_csv(found.rows, found.facts),
        f"{found.title}\n\n{to_markdown(found.rows)}",
        sheet_bytes(grounding_sheet(found), ".png"),
    )
    for name, content in zip(FILES, contents, strict=True):
        outputs.write(folder / name, content)


def grounding_sheet(found: Grounded) -> Sheet:
    """A plot a number, a row a role."""
    names = tuple(row.role.lower() for row in found.rows)
    plots = []
    for name, (title, line, limits) in _PANELS.items():
        values = tuple(_interval(row.columns[name]) for row in found.rows)
        chances = [row.columns["chance"] for row in found.rows] if name == "pointing" else []
        marks = tuple(None if chance is None else chance.value for chance in chances)
        if any(values):
            plots.append(Forest(title, names, values, line=line, marks=marks, limits=limits))
    caption = f"{found.title}\nMeans over words, with bootstrap intervals of 95% over pictures."
    if found.heads_said:
        caption += f"\n{found.heads_said[:1].upper()}{found.heads_said[1:]}."
    return Sheet("grounding", found.request.record(), (), {"title": found.title}, caption, found.inputs, tuple(plots))


def compose_grounding(request: GroundingRequest, sources: "Sources", progress: Progress = silent) -> Sheet:
    """Measures, and lays the plots. Raises UserError if captioner or data are gone, and says which."""
    named = pinned(request.captioner, sources.store)
    captioner = open_captioner(named, sources.store)
    return grounding_sheet(measure_grounding(request.changed(captioner=named), captioner, sources.folder, progress))


def _interval(estimate: Estimate | None) -> Interval | None:
    """A mean may lie outside the percentiles of very few pictures."""
    if estimate is None:
        return None
    return Interval(estimate.value, min(estimate.low, estimate.value), max(estimate.high, estimate.value))
