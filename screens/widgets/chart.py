"""The chart: any number of curves in braille, with axes, a legend, and a cursor that reads values. It knows no runs.

Only rows whose cells changed are sent: each redraw is compared with the one before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from screens.actions import bindings
from screens.look import glyphs, series_colour
from screens.widgets.chart_axis import (
    Range,
    clock,
    clock_ticks,
    fitted,
    nice_step,
    number,
    stepped_clock_end,
    stepped_end,
    ticks,
)
from screens.widgets.chart_raster import Band, Floats, Line, Raster, View, column_of, draw, nearest, smooth
from vitbench.text import clean

SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)
SMOOTHED_FROM = 100
"""A curve with fewer points, such as one a validation, is never smoothed: the average would lie behind by epochs."""
_ASCII_CELLS = {(False, False, False): " ", (True, False, False): "'", (False, True, False): "-"}
_ASCII_CELLS |= {(False, False, True): ".", (True, True, False): "^", (False, True, True): "v"}
_ASCII_CELLS |= {(True, False, True): ":", (True, True, True): "|"}


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart: `key` names it for good, `name` is for the legend, `colour` a number of the palette."""

    key: str
    name: str
    x: Floats
    y: Floats
    colour: int


@dataclass(frozen=True)
class Spread:
    """A band of a chart, in the colour of the palette that has its number."""

    band: Band
    colour: int


class Chart(Widget, can_focus=True):
    """Curves over a common axis. Give it data with `show`; it redraws what changed."""

    BINDINGS = bindings("chart")
    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; min-height: 4; background: $surface; color: $foreground; }
    Chart:focus { background: $surface; }
    """

    title: reactive[str] = reactive("")
    smoothing: reactive[float] = reactive(0.0)
    x_log: reactive[bool] = reactive(False)
    y_log: reactive[bool] = reactive(False)
    cursor_x: reactive[float | None] = reactive(None)
    window: reactive[Range | None] = reactive(None)
    """The part of the horizontal axis that is seen; None follows the data."""
    y_window: reactive[Range | None] = reactive(None)

    class CursorMoved(Message):
        """The person moved the cursor; `x` is None when it is hidden."""

        def __init__(self, chart: "Chart", x: float | None) -> None:
            super().__init__()
            self.chart = chart
            self.x = x

    class WindowMoved(Message):
        """The person zoomed or panned along the horizontal axis."""

        def __init__(self, chart: "Chart", window: Range | None) -> None:
            super().__init__()
            self.chart = chart
            self.window = window

    def __init__(self, title: str = "", *, x_name: str = "step", id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(Chart.title, title)
        self.x_name = x_name
        self.clock = False
        self.growing = True
        self.end: float | None = None
        self.curves: tuple[Curve, ...] = ()
        self.spreads: tuple[Spread, ...] = ()
        self.empty_text = "nothing measured yet"
        self.show_legend = True
        self.glyphs = glyphs()
        self._rows: list[list[Segment]] = []
        self._smoothed: dict[tuple[str, float], tuple[int, float, Floats]] = {}
        self._y_range: Range | None = None
        self._view = View(0, 1, 0, 1)
        self._plot = Region(0, 0, 0, 0)

    def show(
        self,
        curves: Sequence[Curve],
        *,
        spreads: Sequence[Spread] = (),
        x_name: str = "step",
        clock: bool = False,
        growing: bool = True,
        end: float | None = None,
    ) -> None:
        """Replaces what is drawn. `clock` writes the horizontal axis as time; `growing` lets it grow in steps.

        `end` is how far the horizontal axis reaches at least, so that charts of one run stay side by side.
        """
        if (x_name, clock) != (self.x_name, self.clock):
            self.set_reactive(Chart.window, None)
            self.set_reactive(Chart.cursor_x, None)
        self.curves, self.spreads = tuple(curves), tuple(spreads)
        self.x_name, self.clock, self.growing, self.end = x_name, clock, growing, end
        self.redraw()

    @property
    def view(self) -> View:
        """The part of the plane that is drawn."""
        return self._view

    def redraw(self) -> None:
        """Draws anew and sends only the cells that differ."""
        if not self.is_mounted or self.size.width < 8 or self.size.height < 3:
            return
        rows = self._drawn_rows(self.size.width, self.size.height)
        if len(rows) != len(self._rows):
            self._rows = rows
            self.refresh()
            return
        changed = [
            Region(first, y, last - first, 1)
            for y, (old, new) in enumerate(zip(self._rows, rows, strict=True))
            for first, last in [_changed(old, new)]
            if last > first
        ]
        self._rows = rows
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One row of what was drawn last."""
        if not self._rows or len(self._rows) != self.size.height:
            self._rows = self._drawn_rows(self.size.width, self.size.height)
        if y >= len(self._rows):
            return Strip.blank(self.size.width)
        return Strip(self._rows[y]).apply_style(self.rich_style)

    # What is seen

    def _visible(self) -> list[Curve]:
        return [curve for curve in self.curves if curve.x.size]

    def _x_range(self, curves: Sequence[Curve]) -> Range:
        if self.window is not None:
            low, high = self.window.low, self.window.high
        else:
            low, high = self._whole(curves)
        if self.x_log:
            positive = [float(curve.x[curve.x > 0][0]) for curve in curves if (curve.x > 0).any()]
            low = low if low > 0 else min([*positive, high / 10 if high > 0 else 1.0])
            high = max(high, low * 1.0001)
        return Range(low, high) if high > low else Range(low, low + 1)

    def _whole(self, curves: Sequence[Curve]) -> tuple[float, float]:
        low = min(float(np.min(curve.x)) for curve in curves)
        high = max([*(float(np.max(curve.x)) for curve in curves), *([self.end] if self.end is not None else [])])
        if 0 < low < 0.5 * high:
            low = 0.0
        if self.growing and high > 0:
            high = stepped_clock_end(high) if self.clock else stepped_end(high)
        return low, high

    def _y_fit(self, lines: Sequence[Line], x: Range) -> Range:
        if self.y_window is not None:
            return self.y_window
        least, greatest = np.inf, -np.inf
        for line in lines:
            first, last = np.searchsorted(line.x, [x.low, x.high], "left")
            seen = line.y[max(0, first - 1) : last + 1]
            seen = seen[np.isfinite(seen) & (seen > 0)] if self.y_log else seen[np.isfinite(seen)]
            if seen.size:
                least, greatest = min(least, float(seen.min())), max(greatest, float(seen.max()))
        if not np.isfinite(least):
            return Range(0.1, 1.0) if self.y_log else Range(0.0, 1.0)
        return fitted(least, greatest, self.y_log, self._y_range)

    def smoothed(self, curve: Curve) -> Floats:
        """The smoothed curve, computed once for each length of it."""
        key = (curve.key, self.smoothing)
        known = self._smoothed.get(key)
        last = float(curve.y[-1]) if curve.y.size else 0.0
        if known is None or known[0] != curve.y.size or known[1] != last:
            self._smoothed = {k: v for k, v in self._smoothed.items() if k[1] == self.smoothing}
            known = self._smoothed[key] = (curve.y.size, last, smooth(curve.y, self.smoothing))
        return known[2]

    # Drawing

    def _drawn_rows(self, width: int, height: int) -> list[list[Segment]]:
        if width < 8 or height < 3:
            return [[Segment(" " * width)] for _ in range(height)]
        curves = self._visible()
        head = self._head(width, max(1, min(4, height // 5)), curves)
        if not curves:
            middle = (height - len(head)) // 2
            rows = [[Segment(" " * width)] for _ in range(height - len(head))]
            text = set_cell_size(self.empty_text.center(width), width)
            rows[middle] = [Segment(text, Style(color=self._muted(0.55).rich_color))]
            return head + rows
        return head + self._plot_rows(width, height - len(head), len(head), curves)

    def _plot_rows(self, width: int, height: int, top: int, curves: list[Curve]) -> list[list[Segment]]:
        smoothed = [curve for curve in curves if self.smoothing and curve.x.size >= SMOOTHED_FROM]
        raw = [Line(curve.x, curve.y, faint=True) for curve in smoothed]
        main = [Line(c.x, self.smoothed(c) if c in smoothed else c.y, dash=self._dash(c)) for c in curves]
        lines = raw + main
        x, rows = self._x_range(curves), height - 1
        self._y_range = y = self._y_fit(lines, x)
        y_ticks = ticks(y, max(2, rows // 3), self.y_log)
        step = nice_step(y.span, max(2, rows // 3))
        labels = [number(tick, None if self.y_log else step) for tick in y_ticks]
        gutter = max(5, *(len(label) for label in labels)) + 1 if labels else 6
        columns = width - gutter
        self._view = View(x.low, x.high, y.low, y.high, self.x_log, self.y_log)
        self._plot = Region(gutter, top, columns, rows)
        raster = draw(lines, self._view, columns, rows, [spread.band for spread in self.spreads])
        colours = [curve.colour for curve in smoothed + curves]
        label_rows = {self._row_of(tick, rows): label for tick, label in zip(y_ticks, labels, strict=True)}
        canvas = self._cells(raster, colours, len(raw), set(label_rows))
        faint = Style(color=self._muted(0.55).rich_color)
        drawn = [[Segment(f"{label_rows.get(row, ''):>{gutter - 1}} ", faint), *canvas[row]] for row in range(rows)]
        return [*drawn, self._x_axis(gutter, columns, x, faint)]

    def _row_of(self, value: float, rows: int) -> int:
        low, high = self._view.y_low, self._view.y_high
        if self.y_log:
            value, low, high = np.log(value), np.log(low), np.log(high)
        dots = rows * 4 - 1
        return int((1 - (value - low) / (high - low)) * dots + 0.5) // 4

    def _cells(self, raster: Raster, colours: list[int], faint_lines: int, grid: set[int]) -> list[list[Segment]]:
        """Each row as runs of cells of one style; -2 owns the grid, -3 the cursor."""
        rows, columns = raster.dots.shape
        background = self.background_colors[1]
        styles: dict[tuple[int, int, bool], Style] = {}
        cursor = column_of(self.cursor_x, self._view, columns) if self.cursor_x is not None else None
        marks = {(mark.row, mark.column): mark for mark in raster.marks}
        owners = raster.owner.tolist()
        behind = raster.band.tolist()
        texts = raster.text() if not self.glyphs.ascii else _ascii_text(raster.dots)

        def style(owner: int, band: int, under_cursor: bool) -> Style:
            key = (owner, band, under_cursor)
            if key not in styles:
                if owner >= 0:
                    colour = self._colour(colours[owner])
                    if owner < faint_lines:
                        colour = background.blend(colour, 0.38)
                else:
                    colour = self._muted(0.75 if owner == -3 else 0.16)
                back = None
                if band >= 0:
                    back = background.blend(self._colour(self.spreads[band].colour), 0.22)
                if under_cursor:
                    back = (back or background).blend(self._muted(1.0), 0.14)
                styles[key] = Style(color=colour.rich_color, bgcolor=back.rich_color if back else None)
            return styles[key]

        result: list[list[Segment]] = []
        for row in range(rows):
            cells: list[tuple[tuple[int, int, bool], str]] = []
            for column in range(columns):
                owner, text, here = owners[row][column], texts[row][column], column == cursor
                if mark := marks.get((row, column)):
                    owner, text = mark.line, self.glyphs.nan if mark.kind == "nan" else self.glyphs.point
                elif owner < 0:
                    owner, text = (-3, self.glyphs.cursor) if here else (-2, self.glyphs.grid if row in grid else " ")
                cells.append(((owner, behind[row][column], here), text))
            result.append(
                [
                    Segment("".join(text for _, text in group), style(*key))
                    for key, group in groupby(cells, key=lambda cell: cell[0])
                ]
            )
        return result

    def _x_axis(self, gutter: int, columns: int, x: Range, style: Style) -> list[Segment]:
        wanted = max(2, columns // 12)
        found = clock_ticks(x, wanted) if self.clock and not self.x_log else ticks(x, wanted, self.x_log)
        step = found[1] - found[0] if len(found) > 1 else None
        line = [" "] * (gutter + columns)
        end = 0
        for tick in found:
            column = column_of(tick, self._view, columns)
            if column is None:
                continue
            label = clock(tick) if self.clock else number(tick, None if self.x_log else step)
            start = min(max(gutter + column - len(label) // 2, gutter), gutter + columns - len(label))
            if start < end:
                continue
            line[start : start + len(label)] = label
            end = start + len(label) + 1
        name = self.x_name[: gutter - 1]
        if name and end and all(cell == " " for cell in line[: len(name) + 1]):
            line[: len(name)] = name
        return [Segment("".join(line), style)]

    def _head(self, width: int, most_rows: int, curves: list[Curve]) -> list[list[Segment]]:
        """Title and legend; with the cursor, the values under it."""
        title = Style(color=self._muted(1.0).rich_color, bold=True)
        faint = Style(color=self._muted(0.6).rich_color)
        strong = Style(color=self._muted(1.0).rich_color)
        pieces: list[list[Segment]] = [[Segment(clean(self.title), title)]]
        smoothed = self.smoothing and any(curve.x.size >= SMOOTHED_FROM for curve in curves)
        flags = [f"smooth {self.smoothing:g}"] if smoothed else []
        flags += ["log"] * self.y_log + ["log x"] * self.x_log + ["zoomed"] * (self.window is not None)
        if flags:
            pieces.append([Segment(" ".join(flags), faint)])
        if self.cursor_x is not None and curves:
            at = clock(self.cursor_x) if self.clock else number(self.cursor_x, 1 if self.x_name == "step" else None)
            pieces.append([Segment(f"{self.x_name} {at}", Style(color=self._theme_colour("accent"), bold=True))])
        for curve in curves if self.show_legend else ():
            index = curve.x.size - 1 if self.cursor_x is None else nearest(curve.x, self.cursor_x)
            value = number(float(curve.y[index])) if index is not None else ""
            sign = Segment(self.glyphs.legend + " ", Style(color=self._colour(curve.colour).rich_color))
            pieces.append([sign, Segment(clean(curve.name) + " ", faint), Segment(value, strong)])
        return _flow(pieces, width, most_rows)

    def _dash(self, curve: Curve) -> int:
        """Curves that share a colour, or have none, differ by their dashes."""
        if self.app.no_color or self.glyphs.ascii:
            return curve.colour
        return curve.colour // 8

    def _colour(self, colour: int) -> Color:
        return Color.parse(series_colour(colour, self.app.current_theme.dark))

    def _theme_colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).rich_color.name

    def _muted(self, strength: float) -> Color:
        return self.background_colors[1].blend(Color.parse(self.app.theme_variables["foreground"]), strength)

    # What the person does

    def watch_title(self) -> None:
        self.redraw()

    watch_smoothing = watch_x_log = watch_cursor_x = watch_window = watch_y_window = watch_title

    def watch_y_log(self) -> None:
        self._y_range = None
        self.set_reactive(Chart.y_window, None)
        self.redraw()

    def on_resize(self) -> None:
        self._rows = []

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._forget, init=False)

    def _forget(self) -> None:
        self._rows = []
        self.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape hides the cursor; without one it belongs to the screen."""
        return self.cursor_x is not None if action == "cursor_off" else True

    def action_cursor(self, columns: int) -> None:
        """Moves the cursor by so many columns, to the next point that lies there."""
        curves = self._visible()
        if not curves:
            return
        points = np.unique(np.concatenate([curve.x[np.isfinite(curve.x)] for curve in curves]))
        if self.cursor_x is None:
            inside = points[(points >= self._view.x_low) & (points <= self._view.x_high)]
            wanted = float(inside[-1]) if inside.size else float(points[-1])
        else:
            wanted = self._moved(points, columns)
        self._put_cursor(wanted)

    def _moved(self, points: Floats, columns: int) -> float:
        assert self.cursor_x is not None
        reach = self._columns_to_x(columns)
        if columns > 0:
            beyond = points[points > self.cursor_x]
            far = beyond[beyond >= reach]
            return float(far[0]) if far.size else (float(beyond[-1]) if beyond.size else self.cursor_x)
        before = points[points < self.cursor_x]
        far = before[before <= reach]
        return float(far[-1]) if far.size else (float(before[0]) if before.size else self.cursor_x)

    def _columns_to_x(self, columns: int) -> float:
        """The x that lies so many columns from the cursor."""
        assert self.cursor_x is not None
        share = columns / max(1, self._plot.width)
        if self.x_log and self.cursor_x > 0:
            return float(self.cursor_x * (self._view.x_high / self._view.x_low) ** share)
        return self.cursor_x + share * (self._view.x_high - self._view.x_low)

    def action_cursor_to(self, place: str) -> None:
        curves = self._visible()
        if curves:
            ends = [float(curve.x.min() if place == "first" else curve.x.max()) for curve in curves]
            self._put_cursor(min(ends) if place == "first" else max(ends))

    def action_cursor_off(self) -> None:
        self._put_cursor(None)

    def _put_cursor(self, x: float | None) -> None:
        self.cursor_x = x
        if x is not None and not self._view.x_low <= x <= self._view.x_high:
            half = (self._view.x_high - self._view.x_low) / 2
            self._move_window(Range(x - half, x + half))
        self.post_message(self.CursorMoved(self, x))

    def action_zoom(self, factor: float) -> None:
        """Zooms around the cursor, else around the newest point in view."""
        if not self._visible():
            return
        view = self._view
        centre = self.cursor_x if self.cursor_x is not None else self._anchor()
        if self.x_log:
            low, high = (np.log(v) for v in (view.x_low, view.x_high))
            at = float(np.log(centre)) if centre > 0 else float(high)
            self._move_window(Range(float(np.exp(at - (at - low) * factor)), float(np.exp(at + (high - at) * factor))))
        else:
            self._move_window(Range(centre - (centre - view.x_low) * factor, centre + (view.x_high - centre) * factor))

    def _anchor(self) -> float:
        newest = max(float(curve.x.max()) for curve in self._visible())
        return min(max(newest, self._view.x_low), self._view.x_high)

    def action_pan(self, share: float) -> None:
        view = self._view
        if self.x_log:
            factor = (view.x_high / view.x_low) ** share
            self._move_window(Range(view.x_low * factor, view.x_high * factor))
        else:
            way = (view.x_high - view.x_low) * share
            self._move_window(Range(view.x_low + way, view.x_high + way))

    def _move_window(self, window: Range) -> None:
        """Keeps the window on the data: beyond the whole it is the whole."""
        curves = self._visible()
        if not curves:
            return
        low, high = self._whole(curves)
        if window.span >= high - low:
            self._set_window(None)
        elif window.span > 1e-9 * max(abs(low), abs(high), 1e-9):
            start = min(max(window.low, low), high - window.span)
            self._set_window(Range(start, start + window.span))

    def _set_window(self, window: Range | None) -> None:
        self._y_range = None
        self.window = window
        self.post_message(self.WindowMoved(self, window))

    def action_zoom_vertical(self, factor: float) -> None:
        view = self._view
        if self.y_log:
            middle, half = np.sqrt(view.y_low * view.y_high), np.sqrt(view.y_high / view.y_low) ** factor
            self.y_window = Range(float(middle / half), float(middle * half))
        else:
            middle, half = (view.y_low + view.y_high) / 2, (view.y_high - view.y_low) / 2 * factor
            self.y_window = Range(middle - half, middle + half)

    def action_pan_vertical(self, share: float) -> None:
        if self.y_window is None:
            return
        if self.y_log:
            factor = (self.y_window.high / self.y_window.low) ** share
            self.y_window = Range(self.y_window.low * factor, self.y_window.high * factor)
        else:
            way = self.y_window.span * share
            self.y_window = Range(self.y_window.low + way, self.y_window.high + way)

    def action_reset(self) -> None:
        self._y_range = None
        self.y_window = None
        self._set_window(None)

    def action_log(self, axis: str) -> None:
        if axis == "y":
            self.y_log = not self.y_log
        else:
            self.x_log = not self.x_log

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_zoom(0.8)
        event.stop()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_zoom(1.25)
        event.stop()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on the point nearest to it."""
        curves = self._visible()
        if not curves or not self._plot.contains(event.x, event.y):
            return
        share = (event.x - self._plot.x + 0.5) / self._plot.width
        view = self._view
        x = view.x_low + share * (view.x_high - view.x_low)
        if self.x_log:
            x = view.x_low * (view.x_high / view.x_low) ** share
        points = np.unique(np.concatenate([curve.x for curve in curves]))
        index = nearest(points, x)
        if index is not None:
            self._put_cursor(float(points[index]))


def _flow(pieces: list[list[Segment]], width: int, most_rows: int) -> list[list[Segment]]:
    """Pieces side by side, two spaces between, in as few rows as they need; what does not fit is counted."""
    rows: list[list[Segment]] = [[]]
    used = left_out = 0
    for piece in pieces:
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


def _ascii_text(dots: np.ndarray) -> list[str]:
    """Cells as the ASCII sign that is nearest to their dots: top, middle, bottom."""
    top, middle, bottom = (dots & 0x09) > 0, (dots & 0x36) > 0, (dots & 0xC0) > 0
    return [
        "".join(
            _ASCII_CELLS[cell] for cell in zip(*(part[row].tolist() for part in (top, middle, bottom)), strict=True)
        )
        for row in range(dots.shape[0])
    ]


def _changed(old: list[Segment], new: list[Segment]) -> tuple[int, int]:
    """The first cell that differs and the one after the last; (0, 0) if none."""
    if old == new:
        return 0, 0
    before, after = _characters(old), _characters(new)
    if len(before) != len(after):
        return 0, max(len(before), len(after))
    different = [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    return (different[0], different[-1] + 1) if different else (0, 0)


def _characters(row: list[Segment]) -> list[tuple[str, Style | None]]:
    """One entry a cell; a wide character's second cell repeats it."""
    return [
        (character, segment.style)
        for segment in row
        for character in segment.text
        for _ in range(max(1, cell_len(character)))
    ]
