"""From a raster to rows of coloured cells: the plot, its axes, and the head with the legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from screens.look import SERIES_ON_DARK, Glyphs, series_colour
from screens.widgets.chart_axis import AxisRange, clock, clock_ticks, nice_step, number, ticks
from screens.widgets.chart_raster import Raster, Viewport, column_of
from vitbench.text import clean

Row = list[Segment]

GUTTER = 6
"""Cells left of a plot, for labels of the usual length."""
_GRID, _CURSOR = -2, -3
"""Owners of cells that no line uses."""

_ASCII_CELLS = {
    (False, False, False): " ",
    (True, False, False): "'",
    (False, True, False): "-",
    (False, False, True): ".",
    (True, True, False): "^",
    (False, True, True): "v",
    (True, False, True): ":",
    (True, True, True): "|",
}


@dataclass(frozen=True)
class Paint:
    """The colours of one drawing."""

    background: Color
    foreground: Color
    accent: Color
    dark: bool
    colourless: bool
    glyphs: Glyphs

    def series(self, number: int) -> Color:
        """The colour of a series."""
        return Color.parse(series_colour(number, self.dark))

    def dash(self, number: int) -> int:
        """The dash of a series: curves that share a colour, or have none, differ by it."""
        return number if self.colourless else number // len(SERIES_ON_DARK)

    def shade(self, strength: float) -> Color:
        """Between the background (0) and the foreground (1)."""
        return self.background.blend(self.foreground, strength)

    def text(self, strength: float) -> Style:
        """A style for words."""
        return Style(color=self.shade(strength).rich_color)


@dataclass(frozen=True)
class Gutter:
    """The labels left of the plot: `labels` by the plot's row."""

    width: int
    labels: dict[int, str]

    @classmethod
    def of(cls, viewport: Viewport, rows: int) -> "Gutter":
        """The labels for a view of so many rows; never much wider or narrower, so that plots line up."""
        bounds, wanted = AxisRange(viewport.y_low, viewport.y_high), max(2, rows // 3)
        values = ticks(bounds, wanted, viewport.y_log)
        step = None if viewport.y_log else nice_step(bounds.span, wanted)
        labels = {_row_of(value, viewport, rows): number(value, step) for value in values}
        return cls(max([GUTTER - 1, *map(len, labels.values())]) + 1, labels)


def _row_of(value: float, viewport: Viewport, rows: int) -> int:
    low, high = viewport.y_low, viewport.y_high
    if viewport.y_log:
        value, low, high = float(np.log(value)), float(np.log(low)), float(np.log(high))
    return int((1 - (value - low) / (high - low)) * (rows * 4 - 1) + 0.5) // 4


@dataclass(frozen=True)
class _Styles:
    """The style of a cell by its owner, its band and whether the cursor is on it; few differ, so each is made once."""

    paint: Paint
    colours: Sequence[Color]
    bands: Sequence[Color]
    faint_lines: int

    @cached_property
    def _known(self) -> dict[tuple[int, int, bool], Style]:
        return {}

    def style(self, owner: int, band: int, under_cursor: bool) -> Style:
        key = (owner, band, under_cursor)
        if key not in self._known:
            self._known[key] = self._made(*key)
        return self._known[key]

    def _made(self, owner: int, band: int, under_cursor: bool) -> Style:
        background = self.paint.background
        if owner >= 0:
            colour = self.colours[owner]
            front = background.blend(colour, 0.38) if owner < self.faint_lines else colour
        else:
            front = self.paint.shade(0.75 if owner == _CURSOR else 0.16)
        back = background.blend(self.bands[band], 0.22) if band >= 0 else None
        if under_cursor:
            back = (back or background).blend(self.paint.shade(1.0), 0.14)
        return Style(color=front.rich_color, bgcolor=back.rich_color if back else None)


def plot_rows(
    paint: Paint,
    raster: Raster,
    gutter: Gutter,
    colours: Sequence[Color],
    bands: Sequence[Color],
    faint_lines: int,
    viewport: Viewport,
    cursor_x: float | None,
) -> list[Row]:
    """The rows of the plot with their labels. `colours` has one entry a line; the first `faint_lines` are faint."""
    rows, columns = raster.dots.shape
    styles = _Styles(paint, colours, bands, faint_lines)
    cursor = column_of(cursor_x, viewport, columns) if cursor_x is not None else None
    marks = {(mark.row, mark.column): mark for mark in raster.marks}
    texts = ascii_text(raster.dots) if paint.glyphs.ascii else raster.text()
    owners, behind = raster.owner.tolist(), raster.band.tolist()
    label = paint.text(0.55)

    def cell(row: int, column: int) -> tuple[tuple[int, int, bool], str]:
        owner, text, here = owners[row][column], texts[row][column], column == cursor
        if mark := marks.get((row, column)):
            owner, text = mark.line, paint.glyphs.nan if mark.kind == "nan" else paint.glyphs.point
        elif owner < 0 and here:
            owner, text = _CURSOR, paint.glyphs.cursor
        elif owner < 0:
            owner, text = _GRID, paint.glyphs.grid if row in gutter.labels else " "
        return (owner, behind[row][column], here), text

    drawn = []
    for row in range(rows):
        segments = [Segment(f"{gutter.labels.get(row, ''):>{gutter.width - 1}} ", label)]
        for key, group in groupby((cell(row, column) for column in range(columns)), key=lambda entry: entry[0]):
            segments.append(Segment("".join(text for _, text in group), styles.style(*key)))
        drawn.append(segments)
    return drawn


def x_axis_row(
    paint: Paint,
    gutter: Gutter,
    columns: int,
    viewport: Viewport,
    name: str,
    as_clock: bool,
    places: Sequence[str] | None = None,
) -> Row:
    """The labels below the plot; those that would touch are left out. `places` are the names of 1, 2, 3 ...

    With no names in it, `places` leaves whole numbers, which are explained elsewhere.
    """
    bounds, wanted = AxisRange(viewport.x_low, viewport.x_high), max(2, columns // 12)
    found = clock_ticks(bounds, wanted) if as_clock and not viewport.x_log else ticks(bounds, wanted, viewport.x_log)
    if places is not None:
        found = [float(at) for at in range(math.ceil(bounds.low), math.floor(bounds.high) + 1)]
    step = found[1] - found[0] if len(found) > 1 and not viewport.x_log else None
    line = [" "] * (gutter.width + columns)
    end = 0
    for tick in found:
        column = column_of(tick, viewport, columns)
        if column is None:
            continue
        label = places[int(tick) - 1] if places else clock(tick) if as_clock else number(tick, step)
        start = min(max(gutter.width + column - len(label) // 2, gutter.width), gutter.width + columns - len(label))
        if start >= end:
            line[start : start + len(label)] = label
            end = start + len(label) + 1
    name = clean(name)[: gutter.width - 1]
    line[: len(name)] = name
    return [Segment("".join(line), paint.text(0.55))]


def legend_piece(paint: Paint, colour: int, name: str, value: str) -> Row:
    """One curve in the legend."""
    sign = Segment(paint.glyphs.legend + " ", Style(color=paint.series(colour).rich_color))
    return [sign, Segment(clean(name) + " ", paint.text(0.6)), Segment(value, paint.text(1.0))]


def head_rows(pieces: Sequence[Row], width: int, most_rows: int) -> list[Row]:
    """Pieces side by side, two spaces between, in as few rows as they need; what does not fit is counted."""
    rows: list[Row] = [[]]
    used = left_out = 0
    for piece in pieces:
        piece = [Segment(clean(segment.text), segment.style) for segment in piece]
        length = sum(cell_len(segment.text) for segment in piece)
        gap = 2 if used else 0
        if used and used + gap + length > width - (4 if len(rows) == most_rows else 0):
            if len(rows) == most_rows:
                left_out += 1
                continue
            rows[-1].append(Segment(" " * (width - used)))
            rows.append([])
            used = gap = 0
        rows[-1] += [Segment(" " * gap), *piece]
        used += gap + length
    rest = f" +{left_out}" if left_out else ""
    rows[-1].append(Segment(rest + " " * max(0, width - used - len(rest))))
    return [list(Strip(row).crop(0, width)) for row in rows]


def ascii_text(dots: np.ndarray) -> list[str]:
    """Cells as the ASCII sign that is nearest to their dots: top, middle, bottom."""
    parts = ((dots & 0x09) > 0, (dots & 0x36) > 0, (dots & 0xC0) > 0)
    rows = zip(*(part.tolist() for part in parts), strict=True)
    return ["".join(_ASCII_CELLS[cell] for cell in zip(*row, strict=True)) for row in rows]


def changed_cells(old: Row, new: Row) -> tuple[int, int]:
    """The first cell that differs and the one after the last; (0, 0) if none."""
    if old == new:
        return 0, 0
    before, after = _characters(old), _characters(new)
    if len(before) != len(after):
        return 0, max(len(before), len(after))
    different = [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    return (different[0], different[-1] + 1) if different else (0, 0)


def _characters(row: Row) -> list[tuple[str, Style | None]]:
    """One entry a cell; a wide character's second cell repeats it."""
    return [
        (character, segment.style)
        for segment in row
        for character in segment.text
        for _ in range(max(1, cell_len(character)))
    ]
