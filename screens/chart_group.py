"""Charts that belong together: one cursor, one window, one axis and one smoothing for all of them."""

from collections.abc import Iterable

from screens.curves import AXES
from screens.remembered import Remembered
from screens.widgets.chart import SMOOTHINGS, Chart
from screens.widgets.chart_axis import AxisRange
from screens.widgets.chart_navigation import ChartNavigation


class ChartGroup:
    """What the charts of a screen share. Axis and smoothing are remembered."""

    def __init__(self, remembered: Remembered) -> None:
        self._remembered = remembered
        axis = remembered.text("axis", AXES[0])
        self.axis = axis if axis in AXES else AXES[0]
        try:
            self.smoothing = float(remembered.text("smoothing", "0.6"))
        except ValueError:
            self.smoothing = 0.0
        if self.smoothing not in SMOOTHINGS:
            self.smoothing = 0.0

    def next_axis(self) -> str:
        """Step, epoch, time, and round again."""
        self.axis = AXES[(AXES.index(self.axis) + 1) % len(AXES)]
        self._remembered.set("axis", self.axis)
        return self.axis

    def next_smoothing(self) -> float:
        """More, and after the most none."""
        self.smoothing = SMOOTHINGS[(SMOOTHINGS.index(self.smoothing) + 1) % len(SMOOTHINGS)]
        self._remembered.set("smoothing", str(self.smoothing))
        return self.smoothing

    def smoothing_words(self) -> str:
        """What the smoothing is now."""
        if not self.smoothing:
            return "Smoothing: none."
        return f"Smoothing: {self.smoothing:g}, for all measured curves; the raw ones stay, faint."

    @staticmethod
    def share_cursor(charts: Iterable[Chart], source: ChartNavigation, x: float | None) -> None:
        """Puts the cursor of `source` into the others."""
        for chart in charts:
            if chart is not source:
                chart.cursor_x = x

    @staticmethod
    def share_window(charts: Iterable[Chart], source: ChartNavigation, window: AxisRange | None) -> None:
        """Shows in all charts the part that `source` shows."""
        for chart in charts:
            if chart is not source:
                chart.window = window
