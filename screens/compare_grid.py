"""The charts of a comparison: as many beside each other as there is room for, the others to be scrolled to."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Grid, VerticalScroll
from textual.message import Message

from screens.curves import FIRST_SCALARS
from screens.widgets.chart import Chart

_LEAST_ROWS = 8
"""Cells of height below which a chart of the grid is not drawn smaller."""


def columns_in(width: int) -> int:
    """How many charts stand beside each other in so many cells; one chart is shown alone."""
    return 1 if width < 100 else 2 if width < 150 else 3


def default_scalars(known: Sequence[str]) -> list[str]:
    """Four scalars of those that the runs have measured, the likely ones first."""
    likely = [tag for tag in FIRST_SCALARS[:-2] if tag in known][:3]
    likely += [tag for tag in ("train/learning_rate",) if tag in known]
    return (likely + [tag for tag in known if tag not in likely])[:4]


class CompareGrid(VerticalScroll, can_focus=False):
    """Charts that are shown and hidden, never made anew: each keeps its zoom and its logarithmic axes."""

    MOST = 9
    """Charts that one grid can have."""
    DEFAULT_CSS = """
    CompareGrid { height: 1fr; margin: 1 0; scrollbar-size-vertical: 1; }
    CompareGrid > Grid { height: auto; grid-gutter: 1 1; }
    CompareGrid Chart { background: $background; padding: 0 1; height: 100%; }
    """

    class Focused(Message):
        """A chart has the focus: its number, from 0."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def compose(self) -> ComposeResult:
        with Grid():
            for number in range(self.MOST):
                yield Chart(id=f"chart-{number}")

    def charts(self) -> list[Chart]:
        """All charts, those that are hidden too."""
        return [self.chart(number) for number in range(self.MOST)]

    def chart(self, number: int) -> Chart:
        """A chart by its number, from 0."""
        return self.query_one(f"#chart-{number}", Chart)

    def show(self, tags: Sequence[str]) -> list[Chart]:
        """Lays out a chart for each scalar, and returns them."""
        for number, chart in enumerate(self.charts()):
            chart.display = number < len(tags)
        self._lay_out(len(tags))
        return self.charts()[: len(tags)]

    def _lay_out(self, count: int) -> None:
        rows = max(1, -(-count // columns_in(self.app.size.width)))
        columns = max(1, -(-count // rows))
        grid = self.query_one(Grid)
        room = (self.size.height - (rows - 1)) // rows
        height = max(_LEAST_ROWS if rows > 1 else 4, room)
        if (grid.styles.grid_size_columns, self._height) != (columns, height):
            self._height = height
            grid.styles.grid_size_columns = columns
            grid.styles.grid_rows = str(height)

    _height = 0

    def on_resize(self) -> None:
        self._lay_out(sum(bool(chart.display) for chart in self.charts()))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Chart) and event.widget.id:
            self.post_message(self.Focused(int(event.widget.id.removeprefix("chart-"))))
