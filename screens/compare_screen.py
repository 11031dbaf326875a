"""Several runs in one chart: one scalar at a time, each run in the colour that it keeps."""

from rich.text import Text
from textual import on
from textual.app import ComposeResult

from screens import wording
from screens.actions import bindings
from screens.ask_dialog import choose
from screens.chart_group import ChartGroup
from screens.curves import along, comparable_tags, is_setting
from screens.export import Exports, chart_csv
from screens.snapshot import LIVE_STATES, RunDetail, Snapshot
from screens.watcher import Wanted
from screens.widgets.chart import Chart, Curve
from screens.widgets.chart_raster import at_or_before
from screens.widgets.compare_table import CompareTable
from screens.widgets.lines import Line
from screens.widgets.picker import Choice


class CompareScreen(Exports):
    """The chart, and below it a table of the runs with their values under the cursor."""

    BINDINGS = bindings("compare")

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        super().__init__()
        self.run_ids = run_ids
        self.tag = ""
        self._details: list[RunDetail] = []
        self._shown: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        yield Line(id="title")
        yield Chart(id="chart")
        yield CompareTable(id="values")

    def on_mount(self) -> None:
        self.group = ChartGroup(self.workbench.settings)
        chart = self.query_one(Chart)
        chart.smoothing = self.group.smoothing
        chart.show_legend = False
        chart.focus()

    def wanted(self) -> Wanted:
        return Wanted(frozenset(self.run_ids))

    def apply(self, snapshot: Snapshot) -> None:
        self._details = [snapshot.followed[run_id] for run_id in self.run_ids if run_id in snapshot.followed]
        tags = comparable_tags(self._details)
        if tags and self.tag not in tags:
            self.tag = tags[0]
        now = (self.tag, self.group.axis, tuple((detail.row.id, detail.version) for detail in self._details))
        if now != self._shown:
            self._shown = now
            self._show(tags)

    def recolour(self, snapshot: Snapshot) -> None:
        self._shown = ()
        super().recolour(snapshot)

    def _show(self, tags: list[str]) -> None:
        colours = self.app.theme_variables
        chart = self.query_one(Chart)
        chart.title = self.tag or "nothing measured yet"
        chart.smoothable = not is_setting(self.tag)
        growing = any(detail.row.state in LIVE_STATES for detail in self._details)
        chart.show(self._curves(), x_name=self.group.axis, clock=self.group.axis == "time", growing=growing)
        self._show_values()
        place = f"{tags.index(self.tag) + 1} of {len(tags)} scalars" if tags else ""
        left = Text.assemble((" Compare ", f"bold {colours['accent']}"), f" {wording.count(len(self._details), 'run')}")
        self.query_one("#title", Line).show(left, Text(place + " ", colours["secondary"]))

    def _curves(self) -> list[Curve]:
        return [
            Curve(
                f"{detail.row.id}/{self.tag}",
                detail.row.title,
                along(detail.scalars[self.tag], self.group.axis, detail),
                detail.scalars[self.tag].values,
                self.workbench.colours.number(detail.row.id),
            )
            for detail in self._details
            if self.tag in detail.scalars
        ]

    @on(Chart.CursorMoved)
    def _show_values(self) -> None:
        """Each run's value under the cursor, or its newest, and its least and greatest."""
        chart = self.query_one(Chart)
        rows = []
        for detail in self._details:
            curve = next((curve for curve in chart.curves if curve.key.startswith(f"{detail.row.id}/")), None)
            at = None
            if curve is not None and curve.x.size:
                at = curve.x.size - 1 if chart.cursor_x is None else at_or_before(curve.x, chart.cursor_x)
            rows.append((detail.row, self.workbench.colours.number(detail.row.id), curve, at))
        self.query_one(CompareTable).show(rows)

    def action_next_tag(self, step: int = 1) -> None:
        tags = comparable_tags(self._details)
        if tags:
            self.tag = tags[(tags.index(self.tag) + step) % len(tags)]
            self.workbench.show_snapshot()

    def action_choose_scalar(self) -> None:
        """Another scalar, from a list of all that these runs have measured."""
        tags = comparable_tags(self._details)

        def answered(tag: str | None) -> None:
            if tag:
                self.tag = tag
                self.workbench.show_snapshot()

        def said(tag: str) -> str:
            runs = sum(tag in detail.scalars for detail in self._details)
            return wording.count(runs, "run") + (", shown now" if tag == self.tag else "")

        self.app.push_screen(choose("The scalar to show", [Choice(tag, said(tag)) for tag in tags]), answered)

    def copied(self) -> list[Choice]:
        chart = self.query_one(Chart)
        if not chart.curves:
            return []
        table = chart_csv(chart.curves, chart.x_name)
        return [
            Choice(table, "", shown=f"the numbers as CSV ({len(table):,} characters)"),
            Choice(self.tag, "the scalar"),
        ]

    def action_axis(self) -> None:
        self.group.next_axis()
        chart = self.query_one(Chart)
        chart.cursor_x = chart.window = None
        self.workbench.show_snapshot()
        self.workbench.tell(f"Horizontal axis: {self.group.axis}.")

    def action_smoothing(self) -> None:
        self.query_one(Chart).smoothing = self.group.next_smoothing()
        self.workbench.tell(self.group.smoothing_words())

    def exported(self) -> tuple[Chart, str]:
        return self.query_one(Chart), f"compare-{self.tag.replace('/', '-')}"
