"""Lines to braille dots, as pure functions of arrays: nothing here knows a widget, a colour or a run.

A cell is two dots wide and four dots high. Each series becomes one vertical span of dots for each dot column (the
least and the greatest value that fall into it, and the line towards its neighbours), so a million points cost one
pass and no spike is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DOTS_ACROSS, DOTS_DOWN = 2, 4
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
"""Unicode's numbering of the braille dots, by row and column of a cell."""

_SMOOTHING_BLOCK = 32
_SMOOTHED_AT_ONCE = 512
"""Blocks in one matrix product. OpenBLAS gives larger ones to threads, which wait for each other on a busy machine:
15 ms where one thread takes 0.03."""
_HAIR = 1e-3

_DASHES = ((1,), (1, 1, 1, 0, 0), (1, 0), (1, 1, 1, 1, 0, 1, 0), (1, 1, 0, 0, 0, 0), (1, 0, 0))
"""Which dot columns of a line are drawn, for terminals without colour."""


@dataclass(frozen=True)
class Line:
    """One series to draw: `x` and `y` of equal length, in the order in which they were measured.

    A `faint` line gives way to the others: its dots vanish from cells that another line uses.
    `dash` chooses a pattern (0 is solid), for where colours are missing. Points that are not `linked` are marks.
    """

    x: Floats
    y: Floats
    faint: bool = False
    dash: int = 0
    linked: bool = True


@dataclass(frozen=True)
class Band:
    """The area between `low` and `high` along `x`, such as the spread of several seeds."""

    x: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Viewport:
    """The part of the plane that is seen. On a log axis the bounds are positive."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    x_log: bool = False
    y_log: bool = False


@dataclass(frozen=True)
class Mark:
    """Where a line breaks off at a value that is not a number (`nan`), or a line that is only one point (`point`)."""

    row: int
    column: int
    line: int
    kind: str


@dataclass(frozen=True)
class Raster:
    """What each cell shows. Row 0 is the top.

    `dots` [rows, columns] uint8: the offset from U+2800. `owner` [rows, columns] int16: the line whose colour the
    cell takes, -1 where it is empty. `band` [rows, columns] int16: the band behind the cell, -1 for none.
    """

    dots: NDArray[np.uint8]
    owner: NDArray[np.int16]
    band: NDArray[np.int16]
    marks: tuple[Mark, ...]

    def text(self) -> list[str]:
        """Each row as braille characters."""
        return ["".join(map(chr, row)) for row in self.dots.astype(np.int32) + 0x2800]


def smooth(values: Floats, weight: float) -> Floats:
    """The debiased exponential moving average, as TensorBoard draws it.

    s[n] = weight * s[n - 1] + (1 - weight) * y[n], shown as s[n] / (1 - weight^n). `weight` is in [0, 1).
    Values that are not finite stay as they are and do not move the average.
    """
    if not 0 <= weight < 1:
        raise ValueError(f"a smoothing weight is in [0, 1), not {weight}")
    finite = np.isfinite(values)
    known = values[finite]
    if weight == 0 or known.size == 0:
        return values
    averages = _moving_average(known, weight)
    biased = min(known.size, int(-40 / np.log(weight)) + 1)  # beyond, 1 - weight^n is 1 to the last bit
    averages[:biased] /= -np.expm1(np.log(weight) * np.arange(1, biased + 1))
    if known.size == values.size:
        return averages
    smoothed = values.copy()
    smoothed[finite] = averages
    return smoothed


def _moving_average(values: Floats, weight: float) -> Floats:
    """s[t] = weight * s[t - 1] + (1 - weight) * values[t] from s[-1] = 0.

    A matrix product inside blocks and a carry between them do it without a loop over the values.
    """
    block = _SMOOTHING_BLOCK
    blocks = -(-values.size // block)
    padded = np.zeros(blocks * block)
    padded[: values.size] = values
    lags = np.arange(block)[:, None] - np.arange(block)
    kernel = np.where(lags >= 0, (1 - weight) * weight ** np.maximum(lags, 0), 0.0)
    rows, averages = padded.reshape(blocks, block), np.empty((blocks, block))
    for start in range(0, blocks, _SMOOTHED_AT_ONCE):
        part = slice(start, start + _SMOOTHED_AT_ONCE)
        np.matmul(rows[part], kernel.T, out=averages[part])
    carries = np.empty(blocks)
    carry, decay = 0.0, weight**block
    for index, last in enumerate(averages[:, -1].tolist()):
        carries[index] = carry
        carry = carry * decay + last
    averages += carries[:, None] * weight ** np.arange(1, block + 1)
    return averages.reshape(-1)[: values.size]


def draw(lines: Sequence[Line], viewport: Viewport, columns: int, rows: int, bands: Sequence[Band] = ()) -> Raster:
    """The raster of `lines` (later ones on top) over `bands`, in `columns` x `rows` cells."""
    width, height = columns * DOTS_ACROSS, rows * DOTS_DOWN
    dots = np.zeros((rows, columns), np.uint8)
    owner = np.full((rows, columns), -1, np.int16)
    marks: list[Mark] = []
    faint = np.array([*(line.faint for line in lines), False])  # the last one is that of a cell without a line
    for index in sorted(range(len(lines)), key=lambda index: not lines[index].faint):
        spans = _spans(lines[index], viewport, width, height)
        if spans is None:
            continue
        if not lines[index].faint:
            marks += [Mark(row, column, index, kind) for row, column, kind in spans.marks]
        cells = _pack(_fill(spans.top, spans.bottom, height, lines[index].dash))
        used = cells > 0
        if not lines[index].faint:
            dots[used & faint[owner]] = 0
        dots |= cells
        owner[used] = index
    return Raster(dots, owner, _draw_bands(bands, viewport, columns, rows), tuple(marks))


@dataclass(frozen=True)
class _Spans:
    """For each dot column the first and the last dot row that a line covers; top > bottom where it covers none."""

    top: Floats
    bottom: Floats
    marks: list[tuple[int, int, str]]


def _spans(line: Line, viewport: Viewport, width: int, height: int) -> _Spans | None:
    x, y = _in_order(line.x, line.y)
    x, y = _seen(x, y, viewport)
    if x.size == 0:
        return None
    finite = np.isfinite(y)
    drawable = finite & (y > 0) if viewport.y_log else finite
    whole = bool(drawable.all())
    if not whole:
        y = np.where(drawable, y, np.nan)

    # Points are grouped by dot column through the columns' edges, so that only a few of them need to be scaled.
    limits = np.concatenate(([0], np.searchsorted(x, _column_edges(viewport, width), "left"), [x.size]))
    filled = limits[1:] > limits[:-1]
    group = np.arange(-1, width + 1)[filled]
    first, last = limits[:-1][filled], limits[1:][filled] - 1
    least, greatest = np.fmin.reduceat(y, first), np.fmax.reduceat(y, first)

    def down(values: Floats) -> Floats:
        return (1 - _scale(values, viewport.y_low, viewport.y_high, viewport.y_log)) * (height - 1)

    def across(values: Floats) -> Floats:
        return _scale(values, viewport.x_low, viewport.x_high, viewport.x_log) * (width - 1)

    top, bottom = np.full(width, np.inf), np.full(width, -np.inf)
    inside = (group >= 0) & (group < width) & np.isfinite(least)
    top[group[inside]], bottom[group[inside]] = down(greatest[inside]), down(least[inside])
    start, end = last[:-1], first[1:]
    x0, y0, x1, y1 = across(x[start]), down(y[start]), across(x[end]), down(y[end])
    linked = np.isfinite(x0) & np.isfinite(y0) & np.isfinite(y1)
    if line.linked:
        _link(x0[linked], y0[linked], x1[linked], y1[linked], top, bottom)

    marks: list[tuple[int, int, str]] = []
    if not whole:
        marks += _broken_marks(across(x), down(y), ~finite, width, height)
    are_marks = not line.linked or np.count_nonzero(drawable) == 1
    alone = np.flatnonzero(drawable) if are_marks else np.empty(0, np.int64)
    for point in alone.tolist():
        marks += _mark_at(float(across(x)[point]), float(down(y)[point]), "point", width, height)
    return _Spans(top, bottom, marks)


def _column_edges(viewport: Viewport, width: int) -> Floats:
    """The x at which one dot column ends and the next begins, `width + 1` of them, from edge to edge of the view."""
    share = np.clip((np.arange(width + 1) - 0.5) / max(1, width - 1), 0.0, 1.0)
    share[-1] += 1e-12
    if viewport.x_log:
        return np.asarray(np.exp(np.log(viewport.x_low) + share * np.log(viewport.x_high / viewport.x_low)))
    return np.asarray(viewport.x_low + share * (viewport.x_high - viewport.x_low))


def _in_order(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """By rising x; a clock that was set back, or a run that was resumed, may have it otherwise."""
    if x.size > 1 and np.any(x[1:] < x[:-1]):
        order = np.argsort(x, kind="stable")
        return x[order], y[order]
    return x, y


def _seen(x: Floats, y: Floats, viewport: Viewport) -> tuple[Floats, Floats]:
    """The points in viewport, and one beyond each edge so that the line runs out of the picture."""
    first = max(0, int(np.searchsorted(x, viewport.x_low, "left")) - 1)
    last = int(np.searchsorted(x, viewport.x_high, "right")) + 1
    return x[first:last], y[first:last]


def _scale(values: Floats, low: float, high: float, log: bool) -> Floats:
    """`values` as shares of the way from `low` to `high`; nan where a log axis has no place for them."""
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(values > 0, np.log(values), np.nan)
        low, high = float(np.log(low)), float(np.log(high))
    return (values - low) / ((high - low) or 1.0)


def _link(x0: Floats, y0: Floats, x1: Floats, y1: Floats, top: Floats, bottom: Floats) -> None:
    """Widens the spans by the straight pieces from (x0, y0) to (x1, y1), given in dots."""
    width = top.size
    if x0.size == 0:
        return
    first = np.clip(np.floor(x0 + 0.5), 0, width - 1).astype(np.int64)
    last = np.clip(np.floor(x1 + 0.5), 0, width - 1).astype(np.int64)
    lengths = last - first + 1
    piece = np.repeat(np.arange(x0.size), lengths)
    column = np.arange(piece.size) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[piece]
    slope = (y1 - y0) / np.where(x1 > x0, x1 - x0, 1.0)
    begins, ends = np.maximum(column - 0.5, 0), np.minimum(column + 0.5, width - 1)
    entering = y0[piece] + slope[piece] * (np.clip(begins, x0[piece], x1[piece]) - x0[piece])
    leaving = y0[piece] + slope[piece] * (np.clip(ends, x0[piece], x1[piece]) - x0[piece])
    # A hair shorter at both ends: where the line leaves a column exactly between two dots, one of them is enough.
    hair = np.minimum(_HAIR, np.abs(entering - leaving) / 2)
    np.minimum.at(top, column, np.minimum(entering, leaving) + hair)
    np.maximum.at(bottom, column, np.maximum(entering, leaving) - hair)


def _fill(top: Floats, bottom: Floats, height: int, dash: int) -> NDArray[np.bool_]:
    """Dots [height, width] between `top` and `bottom`; parts outside the picture are cut off, not squeezed in."""
    covered = np.isfinite(top) & np.isfinite(bottom)
    first = np.where(covered, np.floor(np.clip(np.where(covered, top, 0), -2, height + 1) + 0.5), height)
    last = np.where(covered, np.floor(np.clip(np.where(covered, bottom, 0), -2, height + 1) + 0.5), -1)
    row = np.arange(height)[:, None]
    pattern = np.array(_DASHES[dash % len(_DASHES)], bool)
    drawn = np.resize(pattern, top.size) if dash else np.ones(top.size, bool)
    return (row >= first) & (row <= last) & drawn


def _pack(filled: NDArray[np.bool_]) -> NDArray[np.uint8]:
    height, width = filled.shape
    cells = filled.reshape(height // DOTS_DOWN, DOTS_DOWN, width // DOTS_ACROSS, DOTS_ACROSS)
    packed = np.zeros((height // DOTS_DOWN, width // DOTS_ACROSS), np.uint8)
    for (down, across), bit in np.ndenumerate(_DOT_BITS):
        packed |= cells[:, down, :, across] * bit
    return packed


def _broken_marks(
    across: Floats, down: Floats, broken: NDArray[np.bool_], width: int, height: int
) -> list[tuple[int, int, str]]:
    """One mark for each gap, at the height of the last number before it (the bottom, if there is none)."""
    begins = np.flatnonzero(broken & np.concatenate(([True], ~broken[:-1])))
    marks: list[tuple[int, int, str]] = []
    for index in begins.tolist():
        known = np.flatnonzero(np.isfinite(down[:index]))
        level = float(down[known[-1]]) if known.size else float(height - 1)
        marks += _mark_at(float(across[index]), min(max(level, 0.0), height - 1.0), "nan", width, height)
    return list(dict.fromkeys(marks))


def _mark_at(across: float, down: float, kind: str, width: int, height: int) -> list[tuple[int, int, str]]:
    column, row = int(np.floor(across + 0.5)), int(np.floor(down + 0.5))
    if not (0 <= column < width and 0 <= row < height):
        return []
    return [(row // DOTS_DOWN, column // DOTS_ACROSS, kind)]


def _draw_bands(bands: Sequence[Band], viewport: Viewport, columns: int, rows: int) -> NDArray[np.int16]:
    """Which band lies behind each cell's centre, between its edges interpolated over x."""
    behind = np.full((rows, columns), -1, np.int16)
    share = (np.arange(columns) + 0.5) / columns
    row = np.arange(rows)[:, None]
    for index, band in enumerate(bands):
        if band.x.size == 0:
            continue
        place = _scale(band.x, viewport.x_low, viewport.x_high, viewport.x_log)
        low = (1 - _scale(band.low, viewport.y_low, viewport.y_high, viewport.y_log)) * rows - 0.5
        high = (1 - _scale(band.high, viewport.y_low, viewport.y_high, viewport.y_log)) * rows - 0.5
        bottom = np.interp(share, place, low, left=np.nan, right=np.nan)
        top = np.interp(share, place, high, left=np.nan, right=np.nan)
        with np.errstate(invalid="ignore"):
            behind[(row >= np.ceil(top)) & (row <= np.maximum(np.ceil(bottom) - 1, np.ceil(top)))] = index
    return behind


def column_of(x: float, viewport: Viewport, columns: int) -> int | None:
    """The cell column in which `x` lies, or None outside the view."""
    share = float(_scale(np.array([x], float), viewport.x_low, viewport.x_high, viewport.x_log)[0])
    if not 0 <= share <= 1:
        return None
    return int(np.floor(share * (columns * DOTS_ACROSS - 1) + 0.5)) // DOTS_ACROSS


def at_or_before(x: Floats, wanted: float) -> int | None:
    """The index of the last point whose x is `wanted` or less, whatever their order. None if there is none."""
    before = np.flatnonzero(x <= wanted)
    return int(before[np.flatnonzero(x[before] == x[before].max())[-1]]) if before.size else None


def nearest(x: Floats, wanted: float) -> int | None:
    """The index of the point whose x is nearest to `wanted`; of equals the later one. None without points."""
    if x.size == 0:
        return None
    distance = np.abs(x - wanted)
    least = np.nanmin(distance)
    return int(np.flatnonzero(distance == least)[-1])
