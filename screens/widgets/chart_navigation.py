"""Moving about in a chart by keys and mouse: the cursor, zoom and pan along both axes, logarithmic axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from screens.actions import bindings
from screens.widgets.chart_axis import AxisRange
from screens.widgets.chart_raster import Band, Floats, Viewport, nearest


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart: `key` names it for good, `name` is for the legend, `colour` a number of the palette.

    Points that are not `linked` are marks without a line between them.
    """

    key: str
    name: str
    x: Floats
    y: Floats
    colour: int
    linked: bool = True


@dataclass(frozen=True)
class SpreadBand:
    """A band of a chart, in the colour of the palette that has its number, around the curve with this key.

    `measured` is the band before smoothing, which tables give; None where nothing is smoothed.
    """

    band: Band
    colour: int
    key: str = ""
    measured: Band | None = None

    @property
    def values(self) -> Band:
        """The band as it was measured."""
        return self.measured or self.band


class ChartNavigation(Widget):
    """What part of the plane is seen, and where the cursor is. The drawing is left to the chart."""

    BINDINGS = bindings("chart")

    x_log: reactive[bool] = reactive(False)
    y_log: reactive[bool] = reactive(False)
    cursor_x: reactive[float | None] = reactive(None)
    window: reactive[AxisRange | None] = reactive(None)
    """The part of the horizontal axis that is seen; None follows the data."""
    y_window: reactive[AxisRange | None] = reactive(None)

    class CursorMoved(Message):
        """The person moved the cursor; `x` is None when it is hidden."""

        def __init__(self, chart: "ChartNavigation", x: float | None) -> None:
            super().__init__()
            self.chart = chart
            self.x = x

    class WindowMoved(Message):
        """The person zoomed or panned along the horizontal axis; None shows the whole."""

        def __init__(self, chart: "ChartNavigation", window: AxisRange | None) -> None:
            super().__init__()
            self.chart = chart
            self.window = window

    viewport = Viewport(0, 1, 0, 1)
    """The part of the plane that is drawn."""
    places: Sequence[str] = ()
    """The names of 1, 2, 3 ... where the horizontal axis has names in place of numbers."""
    plot = Region(0, 0, 0, 0)
    """Where the curves are drawn, in cells."""

    def visible_curves(self) -> Sequence[Curve]:
        """The curves that have points."""
        raise NotImplementedError  # the chart has it

    def whole_range(self, curves: Sequence[Curve]) -> tuple[float, float]:
        """The horizontal axis when nothing is zoomed."""
        raise NotImplementedError  # the chart has it

    def redraw(self, *, fit: bool = False) -> None:
        """Draws anew; with `fit`, the vertical axis is chosen anew too."""
        raise NotImplementedError  # the chart has it

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape hides the cursor; without one it belongs to the screen."""
        return self.cursor_x is not None if action == "cursor_off" else True

    def action_cursor(self, columns: int) -> None:
        """Moves the cursor by so many columns, to the next point that lies there."""
        curves = self.visible_curves()
        if not curves:
            return
        points = np.unique(np.concatenate([curve.x[np.isfinite(curve.x)] for curve in curves]))
        if self.cursor_x is None:
            inside = points[(points >= self.viewport.x_low) & (points <= self.viewport.x_high)]
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
        share = columns / max(1, self.plot.width)
        if self.x_log and self.cursor_x > 0:
            return float(self.cursor_x * (self.viewport.x_high / self.viewport.x_low) ** share)
        return self.cursor_x + share * (self.viewport.x_high - self.viewport.x_low)

    def action_cursor_to(self, place: str) -> None:
        curves = self.visible_curves()
        if curves:
            ends = [float(curve.x.min() if place == "first" else curve.x.max()) for curve in curves]
            self._put_cursor(min(ends) if place == "first" else max(ends))

    def action_cursor_off(self) -> None:
        self._put_cursor(None)

    def _put_cursor(self, x: float | None) -> None:
        self.cursor_x = x
        if x is not None and not self.viewport.x_low <= x <= self.viewport.x_high:
            half = (self.viewport.x_high - self.viewport.x_low) / 2
            self._move_window(AxisRange(x - half, x + half))
        self.post_message(self.CursorMoved(self, x))

    def action_zoom(self, factor: float) -> None:
        """Zooms around the cursor, else around the newest point in view."""
        if not self.visible_curves():
            return
        viewport = self.viewport
        centre = self.cursor_x if self.cursor_x is not None else self._anchor()
        if self.x_log:
            low, high = (np.log(v) for v in (viewport.x_low, viewport.x_high))
            at = float(np.log(centre)) if centre > 0 else float(high)
            self._move_window(
                AxisRange(float(np.exp(at - (at - low) * factor)), float(np.exp(at + (high - at) * factor)))
            )
        else:
            self._move_window(
                AxisRange(centre - (centre - viewport.x_low) * factor, centre + (viewport.x_high - centre) * factor)
            )

    def _anchor(self) -> float:
        newest = max(float(curve.x.max()) for curve in self.visible_curves())
        return min(max(newest, self.viewport.x_low), self.viewport.x_high)

    def action_pan(self, share: float) -> None:
        viewport = self.viewport
        if self.x_log:
            factor = (viewport.x_high / viewport.x_low) ** share
            self._move_window(AxisRange(viewport.x_low * factor, viewport.x_high * factor))
        else:
            way = (viewport.x_high - viewport.x_low) * share
            self._move_window(AxisRange(viewport.x_low + way, viewport.x_high + way))

    def _move_window(self, window: AxisRange) -> None:
        """Keeps the window on the data: beyond the whole it is the whole."""
        curves = self.visible_curves()
        if not curves:
            return
        low, high = self.whole_range(curves)
        if window.span >= high - low:
            self._set_window(None)
        elif window.span > 1e-9 * max(abs(low), abs(high), 1e-9):
            start = min(max(window.low, low), high - window.span)
            self._set_window(AxisRange(start, start + window.span))

    def _set_window(self, window: AxisRange | None) -> None:
        self.set_reactive(ChartNavigation.window, window)
        self.redraw(fit=True)
        self.post_message(self.WindowMoved(self, window))

    def action_zoom_vertical(self, factor: float) -> None:
        viewport = self.viewport
        if self.y_log:
            middle, half = (
                np.sqrt(viewport.y_low * viewport.y_high),
                np.sqrt(viewport.y_high / viewport.y_low) ** factor,
            )
            self.y_window = AxisRange(float(middle / half), float(middle * half))
        else:
            middle, half = (viewport.y_low + viewport.y_high) / 2, (viewport.y_high - viewport.y_low) / 2 * factor
            self.y_window = AxisRange(middle - half, middle + half)

    def action_pan_vertical(self, share: float) -> None:
        if self.y_window is None:
            return
        if self.y_log:
            factor = (self.y_window.high / self.y_window.low) ** share
            self.y_window = AxisRange(self.y_window.low * factor, self.y_window.high * factor)
        else:
            way = self.y_window.span * share
            self.y_window = AxisRange(self.y_window.low + way, self.y_window.high + way)

    def action_reset(self) -> None:
        self.y_window = None
        self._set_window(None)

    def action_log(self, axis: str) -> None:
        if axis == "y":
            self.y_log = not self.y_log
        elif not self.places:  # names have no logarithm
            self.x_log = not self.x_log

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_zoom(0.8)
        event.stop()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_zoom(1.25)
        event.stop()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on the point nearest to it."""
        curves = self.visible_curves()
        if not curves or not self.plot.contains(event.x, event.y):
            return
        share = (event.x - self.plot.x + 0.5) / self.plot.width
        viewport = self.viewport
        x = viewport.x_low + share * (viewport.x_high - viewport.x_low)
        if self.x_log:
            x = viewport.x_low * (viewport.x_high / viewport.x_low) ** share
        points = np.unique(np.concatenate([curve.x for curve in curves]))
        index = nearest(points, x)
        if index is not None:
            self._put_cursor(float(points[index]))
