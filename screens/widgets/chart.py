"""The chart: any number of curves in braille, with axes, a legend, and a cursor that reads values. It knows no runs.

Only cells that changed are sent: each redraw is compared with the one before.
"""

from collections.abc import Sequence

import numpy as np
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip

from screens.look import glyphs
from screens.widgets.chart_axis import (
    AxisRange,
    clock,
    fitted,
    named_ticks,
    number,
    place,
    stepped_clock_end,
    stepped_end,
)
from screens.widgets.chart_drawing import (
    GUTTER,
    Gutter,
    Paint,
    Row,
    changed_cells,
    head_rows,
    legend_piece,
    plot_rows,
    x_axis_row,
)
from screens.widgets.chart_navigation import ChartNavigation, Curve, SpreadBand
from screens.widgets.chart_raster import Floats, Line, Viewport, at_or_before, draw, smooth

__all__ = ["SMOOTHINGS", "Chart", "Curve", "SpreadBand"]

SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)

_LEAST_WIDTH, _LEAST_HEIGHT = 12, 3


class Chart(ChartNavigation, can_focus=True):
    """Curves over a common axis. Give it data with `show`; it redraws what changed."""

    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; min-height: 4; background: $surface; color: $foreground; }
    Chart:focus { background: $surface; }
    """

    title: reactive[str] = reactive("")
    smoothing: reactive[float] = reactive(0.0)

    def __init__(self, title: str = "", *, x_name: str = "step", id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(Chart.title, title)
        self.x_name = x_name
        self.clock = False
        self.growing = True
        self.end: float | None = None
        self.curves: tuple[Curve, ...] = ()
        self.spreads: tuple[SpreadBand, ...] = ()
        self.empty_text = "nothing measured yet"
        self.show_legend = True
        self.places: tuple[str, ...] = ()
        """What stands at 1, 2, 3 ... of the horizontal axis, where it has names in place of numbers."""
        self.smoothable = True
        """Whether its curves are measured; settings such as a learning rate are as they are, and never smoothed."""
        self._rows: list[Row] = []
        self._smoothed: dict[tuple[str, float], tuple[int, float, Floats]] = {}
        self._y_range: AxisRange | None = None

    def show(
        self,
        curves: Sequence[Curve],
        *,
        spreads: Sequence[SpreadBand] = (),
        x_name: str = "step",
        clock: bool = False,
        growing: bool = True,
        end: float | None = None,
        places: Sequence[str] = (),
    ) -> None:
        """Replaces what is drawn. `clock` writes the horizontal axis as time; `growing` lets it grow in steps.

        `end` is how far the horizontal axis reaches at least, so that charts of one run stay side by side.
        `places` are the names of 1, 2, 3 ... where the horizontal axis has names.
        """
        if (x_name, clock) != (self.x_name, self.clock) or tuple(places) != self.places:
            self.set_reactive(Chart.window, None)
            self.set_reactive(Chart.cursor_x, None)
        self.curves, self.spreads, self.places = tuple(curves), tuple(spreads), tuple(places)
        self.x_name, self.clock, self.growing, self.end = x_name, clock, growing, end
        self.redraw()

    def redraw(self, *, fit: bool = False) -> None:
        """Draws anew and sends only the cells that differ; with `fit`, the vertical axis is chosen anew too."""
        if fit:
            self._y_range = None
        if not self.is_mounted or not self.size:
            return
        rows = self._drawn_rows(self.size.width, self.size.height)
        if len(rows) != len(self._rows):
            self._rows = rows
            self.refresh()
            return
        spans = [changed_cells(old, new) for old, new in zip(self._rows, rows, strict=True)]
        changed = [Region(first, y, last - first, 1) for y, (first, last) in enumerate(spans) if last > first]
        self._rows = rows
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """One row of what was drawn last."""
        if len(self._rows) != self.size.height:
            self._rows = self._drawn_rows(self.size.width, self.size.height)
        return Strip(self._rows[y]).apply_style(self.rich_style)

    # What is seen

    def visible_curves(self) -> list[Curve]:
        return [curve for curve in self.curves if curve.x.size]

    def whole_range(self, curves: Sequence[Curve]) -> tuple[float, float]:
        if self.places:
            return 0.5, len(self.places) + 0.5
        low = min(float(np.min(curve.x)) for curve in curves)
        high = max([*(float(np.max(curve.x)) for curve in curves), *([self.end] if self.end is not None else [])])
        if 0 < low < 0.5 * high:
            low = 0.0
        if self.growing and high > 0:
            high = stepped_clock_end(high) if self.clock else stepped_end(high)
        return low, high

    def _x_range(self, curves: Sequence[Curve]) -> AxisRange:
        low, high = (self.window.low, self.window.high) if self.window is not None else self.whole_range(curves)
        if self.x_log and low <= 0:
            positive = [float(curve.x[curve.x > 0].min()) for curve in curves if (curve.x > 0).any()]
            low = min([*positive, high / 10 if high > 0 else 1.0])
        return AxisRange(low, high) if high > low else AxisRange(low, low + 1)

    def _y_fit(self, lines: Sequence[Line], x: AxisRange) -> AxisRange:
        """Round bounds around all values in view."""
        if self.y_window is not None:
            return self.y_window
        least, greatest = np.inf, -np.inf
        for line in lines:
            drawable = np.isfinite(line.y) & ((line.y > 0) if self.y_log else True)
            seen = line.y[drawable & (line.x >= x.low) & (line.x <= x.high)]
            if seen.size:
                least, greatest = min(least, float(seen.min())), max(greatest, float(seen.max()))
        if not np.isfinite(least):
            return AxisRange(0.1, 1.0) if self.y_log else AxisRange(0.0, 1.0)
        return fitted(least, greatest, self.y_log, self._y_range)

    def smoothed(self, curve: Curve) -> Floats:
        """The smoothed curve, computed once for each length of it."""
        key = (curve.key, self.smoothing)
        known = self._smoothed.get(key)
        last = float(curve.y[-1]) if curve.y.size else 0.0
        if known is None or known[:2] != (curve.y.size, last):
            self._smoothed = {k: v for k, v in self._smoothed.items() if k[1] == self.smoothing}
            known = self._smoothed[key] = (curve.y.size, last, smooth(curve.y, self.smoothing))
        return known[2]

    def is_smoothed(self, curve: Curve) -> bool:
        """Whether this curve is drawn smoothed, with its raw line kept faint."""
        return bool(self.smoothing) and self.smoothable and curve.x.size > 1

    # Drawing

    def _drawn_rows(self, width: int, height: int) -> list[Row]:
        if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
            return [[Segment(" " * width)] for _ in range(height)]
        paint = self._paint()
        curves = self.visible_curves()
        head = head_rows(self._head(paint, curves), width, max(1, min(4, height // 5)))
        below = height - len(head)
        if curves:
            return head + self._plot(paint, curves, width, below, len(head))
        rows: list[Row] = [[Segment(" " * width)] for _ in range(below)]
        rows[below // 2] = [Segment(set_cell_size(self.empty_text.center(width), width), paint.text(0.55))]
        return head + rows

    def _plot(self, paint: Paint, curves: list[Curve], width: int, height: int, top: int) -> list[Row]:
        smoothed = [curve for curve in curves if self.is_smoothed(curve)]
        lines = [Line(curve.x, curve.y, faint=True) for curve in smoothed]
        for curve in curves:
            y = self.smoothed(curve) if self.is_smoothed(curve) else curve.y
            lines.append(Line(curve.x, y, dash=paint.dash(curve.colour), linked=curve.linked))
        x = self._x_range(curves)
        self._y_range = y_range = self._y_fit(lines, x)
        self.viewport = Viewport(x.low, x.high, y_range.low, y_range.high, self.x_log, self.y_log)
        gutter = Gutter.of(self.viewport, height - 1)
        self.plot = Region(gutter.width, top, width - gutter.width, height - 1)
        raster = draw(lines, self.viewport, self.plot.width, self.plot.height, [spread.band for spread in self.spreads])
        colours = [paint.series(curve.colour) for curve in smoothed + curves]
        bands = [paint.series(spread.colour) for spread in self.spreads]
        return [
            *plot_rows(paint, raster, gutter, colours, bands, len(smoothed), self.viewport, self.cursor_x),
            x_axis_row(
                paint,
                gutter,
                self.plot.width,
                self.viewport,
                self.x_name,
                self.clock,
                self._named_ticks(curves) if self.places else None,
            ),
        ]

    def _named_ticks(self, curves: Sequence[Curve]) -> list[str]:
        """The names of the axis as they stand below it; none where they would not be told apart there."""
        room = (self.size.width - GUTTER) / max(1.0, self._x_range(curves).span)
        return named_ticks(self.places, round(room) - 1)

    def _head(self, paint: Paint, curves: list[Curve]) -> list[Row]:
        """Title, each curve with its newest value or that under the cursor, and what is switched on.

        What comes last gives way first where there is little room.
        """
        pieces: list[Row] = [[Segment(self.title, paint.text(1.0) + Style(bold=True))]]
        if self.places and not self._named_ticks(curves):
            pieces += [[Segment(f"{at} {name}", paint.text(0.8))] for at, name in enumerate(self.places, 1)]
        for curve in curves if self.show_legend else ():
            value = self._value_words(curve)
            pieces.append(legend_piece(paint, curve.colour, curve.name, value))
        if self.cursor_x is not None and curves:
            here = f"{self.x_name} {self._place_words(self.cursor_x)}"
            pieces.append([Segment(here, Style(color=paint.accent.rich_color, bold=True))])
        flags = ["zoomed"] * (self.window is not None or self.y_window is not None)
        flags += ["log"] * self.y_log + ["log x"] * self.x_log
        flags += [f"smooth {self.smoothing:g}"] if any(map(self.is_smoothed, curves)) else []
        if flags:
            pieces.append([Segment(" ".join(flags), paint.text(0.6))])
        return pieces

    def _value_words(self, curve: Curve) -> str:
        """The newest value; under a cursor the last one at or before it, with its place where that is another one."""
        index = curve.x.size - 1 if self.cursor_x is None else at_or_before(curve.x, self.cursor_x)
        if index is None:
            return ""
        value = number(float(curve.y[index]))
        if self.cursor_x is None or float(curve.x[index]) == self.cursor_x:
            return value
        return f"{value} at {self._place_words(float(curve.x[index]))}"

    def _place_words(self, x: float) -> str:
        if self.places:
            return self.places[min(max(round(x), 1), len(self.places)) - 1]
        return clock(x) if self.clock else place(float(round(x))) if self.x_name == "step" else number(x)

    def _paint(self) -> Paint:
        variables = self.app.theme_variables
        return Paint(
            background=self.background_colors[1],
            foreground=Color.parse(variables["foreground"]),
            accent=Color.parse(variables["accent"]),
            dark=self.app.current_theme.dark,
            colourless=self.app.no_color or glyphs().ascii,
            glyphs=glyphs(),
        )

    # What changes the drawing

    def watch_title(self) -> None:
        self.redraw()

    watch_smoothing = watch_x_log = watch_cursor_x = watch_window = watch_y_window = watch_title

    def watch_y_log(self) -> None:
        self.set_reactive(Chart.y_window, None)
        self.redraw(fit=True)

    def on_resize(self) -> None:
        self._rows = []

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._forget, init=False)

    def _forget(self) -> None:
        self._rows = []
        self.refresh()
