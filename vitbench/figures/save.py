"""Figures around rasters: titles, axes and colour bars by matplotlib (object API), saved as PNG, PDF or SVG.

Each pixel of a raster is exactly one pixel of the saved PNG, so preview and figure show the same.
"""

import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.figures.colours import colour_table
from vitbench.figures.draw import draw
from vitbench.figures.fonts import every_glyph
from vitbench.figures.provenance import KEY, provenance
from vitbench.figures.raster import Picture, enlarge
from vitbench.figures.sheet import Sheet
from vitbench.figures.type import SETTINGS
from vitbench.requests.drawing import Drawing
from vitbench.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DPI = 100
FORMATS = (".png", ".pdf", ".svg")

_MARGIN, _TITLE, _LINE, _GAP = 16, 22, 15, 10
_COLOUR_BAR = 84


@dataclass(frozen=True)
class Panel:
    """A raster with a line above it; None for an empty place."""

    picture: Picture
    title: str = ""


@dataclass(frozen=True)
class Tile:
    """A raster of `values` [rows, columns] with a line above it, and the cell (row, column) whose row and column are
    drawn as curves beside it."""

    picture: Picture
    values: NDArray[np.float64]
    cell: tuple[int, int]
    title: str = ""


@dataclass(frozen=True)
class ColourBar:
    """A scale beside a figure."""

    colour_map: str
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class _Place:
    """A rectangle in pixels from the top left of a figure."""

    left: int
    top: int
    width: int
    height: int


def panel_figure(
    rows: Sequence[Sequence[Panel | None]], caption: str = "", colour_bar: ColourBar | None = None
) -> "Figure":
    """Rasters in rows and columns, each under its title, with a caption below and a colour bar at the right."""
    panels = [panel for row in rows for panel in row if panel is not None]
    heights = [max((panel.picture.shape[0] for panel in row if panel), default=0) for row in rows]
    high = max(heights)
    wide = max(panel.picture.shape[1] for panel in panels)
    columns = max(len(row) for row in rows)
    body_width = columns * (wide + _GAP) - _GAP
    tops = [_MARGIN + sum(heights[:number]) + number * (_TITLE + _GAP) for number in range(len(rows))]
    body_height = sum(heights) + len(rows) * (_TITLE + _GAP) - _GAP
    width = body_width + 2 * _MARGIN + (_COLOUR_BAR if colour_bar else 0)
    lines = wrapped(caption, width - 2 * _MARGIN)
    figure = _figure(width, body_height + 2 * _MARGIN + len(lines) * _LINE + (6 if lines else 0))
    for row_number, row in enumerate(rows):
        for column_number, panel in enumerate(row):
            if panel is None:
                continue
            height, panel_width = panel.picture.shape[:2]
            left = _MARGIN + column_number * (wide + _GAP) + (wide - panel_width) // 2
            top = tops[row_number] + _TITLE + (heights[row_number] - height) // 2
            axes = _axes(figure, _Place(left, top, panel_width, height))
            _draw(axes, panel.picture)
            axes.set_axis_off()
            axes.set_title(_shortened(panel.title, wide), fontsize=9, pad=4)
    if colour_bar:
        bar_height = min(body_height, 2 * high)
        _draw_colour_bar(
            figure, colour_bar, _Place(_MARGIN + body_width + 14, _MARGIN + _TITLE, 12, bar_height - _TITLE)
        )
    _write_caption(figure, lines)
    return figure


def grid_figure(
    picture: Picture,
    grid: tuple[int, int],
    caption: str,
    colour_bar: ColourBar,
    labels: tuple[str, str] = ("Input patch column", "Input patch row"),
) -> "Figure":
    """One raster of rows x columns cells with its axes numbered from 1, as in the ViT paper's figure 7."""
    height, width = picture.shape[:2]
    left, top = 60, 24
    total_width = left + width + 100
    lines = wrapped(caption, total_width - 2 * _MARGIN)
    figure = _figure(total_width, top + height + 62 + len(lines) * _LINE)
    axes = _axes(figure, _Place(left, top, width, height))
    _draw(axes, picture)
    for count, length, axis in ((grid[1], width, axes.xaxis), (grid[0], height, axes.yaxis)):
        _number_cells(axis, count, length)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    _draw_colour_bar(figure, colour_bar, _Place(left + width + 16, top, 14, height))
    _write_caption(figure, lines)
    return figure


def tile_figure(tiles: Sequence[Tile], caption: str, colour_bar: ColourBar) -> "Figure":
    """Tiles side by side; below each the curve along the cell's row, at its right the one along its column, on the
    scale of the colour bar. Cells are numbered from 1."""
    left, top, gap, curve = 56, _MARGIN + _TITLE, 16, 120
    wide = max(tile.picture.shape[1] for tile in tiles)
    high = max(tile.picture.shape[0] for tile in tiles)
    each = left + wide + gap + curve + _MARGIN
    width = each * len(tiles) + _COLOUR_BAR + _MARGIN
    lines = wrapped(caption, width - 2 * _MARGIN)
    figure = _figure(width, top + high + gap + curve + 58 + len(lines) * _LINE)
    room = (colour_bar.high - colour_bar.low) / 20
    scale = (colour_bar.low - room, colour_bar.high + room)
    for number, tile in enumerate(tiles):
        (row, column), (rows, columns) = tile.cell, tile.values.shape
        height, across = tile.picture.shape[:2]
        start = number * each + left
        axes = _axes(figure, _Place(start, top, across, height))
        _draw(axes, tile.picture)
        axes.set_title(_shortened(tile.title, wide), fontsize=9, pad=4)
        axes.set_xticks([])
        _number_cells(axes.yaxis, rows, height)
        axes.set_ylabel("Patch row", fontsize=9)

        below = _axes(figure, _Place(start, top + height + gap, across, curve))
        below.plot((np.arange(columns) + 0.5) * across / columns - 0.5, tile.values[row], ".-", color="black", lw=1)
        below.axvline((column + 0.5) * across / columns - 0.5, color="0.6", lw=0.8, ls="--")
        below.set(xlim=(-0.5, across - 0.5), ylim=scale)
        _number_cells(below.xaxis, columns, across)
        below.set_xlabel(f"Patch column (curve: along row {row + 1})", fontsize=9)

        beside = _axes(figure, _Place(start + across + gap, top, curve, height))
        beside.plot(tile.values[:, column], (np.arange(rows) + 0.5) * height / rows - 0.5, ".-", color="black", lw=1)
        beside.axhline((row + 0.5) * height / rows - 0.5, color="0.6", lw=0.8, ls="--")
        beside.set(xlim=scale, ylim=(height - 0.5, -0.5), yticks=[])
        beside.set_title(f"along column {column + 1}", fontsize=9, pad=4)
        for axes in (below, beside):
            axes.grid(alpha=0.3, linewidth=0.6)
            axes.tick_params(labelsize=8)
    _draw_colour_bar(figure, colour_bar, _Place(width - _MARGIN - _COLOUR_BAR, top, 12, high))
    _write_caption(figure, lines)
    return figure


def check_figure_ending(path: Path) -> None:
    """Raises UserError for a name that chooses no format; before the work."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"A figure is saved as {', '.join(FORMATS)}; {path.name} ends otherwise.")


def sheet_bytes(sheet: Sheet, ending: str, drawing: Drawing | None = None) -> bytes:
    """The sheet on paper as a file with the ending .png, .pdf or .svg, with what makes it again inside."""
    drawing = drawing or Drawing()
    facts = {**sheet.facts, "caption": sheet.caption, "panels": [panel.title for panel in sheet.panels]}
    recorded = provenance(sheet.kind, sheet.request, sheet.inputs, facts, drawing.record())
    return figure_bytes(draw(sheet, drawing), ending, recorded)


def figure_bytes(figure: "Figure", ending: str, facts: Mapping[str, Any]) -> bytes:
    """The figure as a file with the ending .png, .pdf or .svg, with the facts inside."""
    import matplotlib

    ending = ending.lower()
    text = json.dumps(facts, ensure_ascii=True, allow_nan=False)
    metadata = {
        ".png": {KEY: text, "Software": "vitbench"},
        ".pdf": {"Subject": text, "Creator": "vitbench", "CreationDate": None},
        ".svg": {"Description": text, "Creator": "vitbench", "Date": None},
    }[ending]
    buffer = io.BytesIO()
    with matplotlib.rc_context(SETTINGS), every_glyph(figure):
        figure.savefig(buffer, format=ending[1:], dpi="figure", metadata=metadata)
    return buffer.getvalue()


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` pixels of a figure's small print; line breaks of `text` are kept."""
    return [line for part in text.splitlines() for line in textwrap.wrap(clean(part), max(20, int(width / 6.1)))]


def _figure(width: int, height: int) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: "Figure", place: _Place) -> "Axes":
    width, height = (round(side * DPI) for side in figure.get_size_inches())
    bottom = height - place.top - place.height
    return figure.add_axes((place.left / width, bottom / height, place.width / width, place.height / height))


def _number_cells(axis: "Axis", count: int, length: int) -> None:
    """Numbers from 1 in the middle of `count` cells along `length` pixels, as many as there is room for."""
    numbers = np.arange(0, count, max(1, -(-count * 18 // length)))
    axis.set_ticks((numbers + 0.5) * length / count - 0.5, [str(number + 1) for number in numbers], fontsize=8)


def _draw(axes: "Axes", picture: Picture) -> None:
    axes.imshow(picture, interpolation="none", aspect="auto", resample=False)


def _draw_colour_bar(figure: "Figure", bar: ColourBar, place: _Place) -> None:
    axes = _axes(figure, place)
    column = colour_table(bar.colour_map)[::-1, None]
    axes.imshow(column, aspect="auto", extent=(0, 1, bar.low, bar.high), interpolation="nearest")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(bar.title, fontsize=9)
    axes.tick_params(labelsize=8)


def _write_caption(figure: "Figure", lines: Sequence[str]) -> None:
    height = round(figure.get_size_inches()[1] * DPI)
    for number, line in enumerate(reversed(lines)):
        y = (_MARGIN / 2 + number * _LINE) / height
        figure.text(_MARGIN / (figure.get_size_inches()[0] * DPI), y, _literal(line), fontsize=7.5, va="bottom")


def _shortened(text: str, width: int) -> str:
    """A title that fits above `width` pixels."""
    text, most = clean(text), max(4, int(width / 6.4))
    return _literal(text if len(text) <= most else text[: most - 1] + "…")


def _literal(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def cells(colours: Picture, factor: int) -> Picture:
    """A raster of one colour a patch, each enlarged to factor x factor pixels."""
    return enlarge(colours, factor)
