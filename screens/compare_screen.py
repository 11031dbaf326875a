"""Several runs side by side: a grid of charts, one for each chosen scalar; each run in the colour that it keeps."""

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult

from screens import wording
from screens.actions import AXIS, BACK, COPY, SEARCH, SMOOTH_CURVES, Action, bindings
from screens.ask_dialog import ChooseSeveral, choose
from screens.chart_group import ChartGroup
from screens.compare_grid import CompareGrid, columns_in, default_scalars
from screens.curves import along, comparable_tags, furthest, is_setting
from screens.export import Exports, chart_csv
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import LIVE_STATES, RunDetail, Snapshot
from screens.watcher import Wanted
from screens.widgets.chart import Chart, Curve
from screens.widgets.chart_raster import at_or_before
from screens.widgets.compare_table import CompareTable
from screens.widgets.lines import Line
from screens.widgets.picker import Choice
from screens.widgets.words_panel import WordsPanel
from vitbench.comparing.report import compare
from vitbench.comparing.words import lines
from vitbench.errors import UserError

ACTIONS = (
    BACK,
    SEARCH,
    Action("t", "choose_scalar", "scalar", "Another scalar in this chart, from a list.", True),
    Action("g", "choose_grid", "grid", "Which scalars have a chart, from a list; remembered.", True),
    Action("d", "details", "details", "Keys that differ, seeds, and a paired test on the same pictures.", True),
    Action("z", "maximise", "enlarge", "Give the focused chart all the room, and back.", True),
    Action("right_square_bracket", "next_tag(1)", "next scalar", "The next scalar.", True, "[ ]"),
    Action("left_square_bracket", "next_tag(-1)", "scalar before", "The scalar before.", shown="["),
    AXIS,
    SMOOTH_CURVES,
    Action("e", "export", "export", "Save the chart: PNG, PDF, SVG, or the numbers as CSV.", True),
    COPY,
)
"""What its keys do."""


class CompareScreen(Exports):
    """The charts, and below them a table of the runs with their values of one chart under its cursor.

    A narrow terminal shows one chart. `tag` is the scalar of the chart that has the focus, `chosen` those of the grid.
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        super().__init__()
        self.run_ids = run_ids
        self.tag = ""
        self.chosen: list[str] = []
        self._alone = False
        self._details: list[RunDetail] = []
        self._shown: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        yield Line(id="title")
        yield CompareGrid(id="charts")
        yield CompareTable(id="values")
        yield WordsPanel(id="differences")

    def on_mount(self) -> None:
        self.chosen = self.workbench.settings.texts("compare_scalars")
        self.group = ChartGroup(self.workbench.settings)
        for chart in self._grid.charts():
            chart.smoothing = self.group.smoothing
            chart.show_legend = False
        self._grid.chart(0).focus()

    def on_resize(self) -> None:
        self._shown = ()
        self.workbench.show_snapshot()

    @property
    def _grid(self) -> CompareGrid:
        return self.query_one(CompareGrid)

    @property
    def _one(self) -> bool:
        """Whether one chart is shown: for want of room, or since a person enlarged it."""
        return self._alone or columns_in(self.app.size.width) == 1

    def tags(self) -> list[str]:
        """The scalars that are shown, in the order of their charts."""
        return [self.tag] * bool(self.tag) if self._one else self.chosen

    def wanted(self) -> Wanted:
        return Wanted(frozenset(self.run_ids))

    def action_details(self) -> None:
        """What differs, in words, in place of the charts; once more: the charts."""
        panel = self.query_one(WordsPanel)
        self._show_panel(not panel.display)
        if panel.display:
            panel.show(["Comparing ..."])
            self._compare()

    def _show_panel(self, shown: bool) -> None:
        panel = self.query_one(WordsPanel)
        panel.display = shown
        self._grid.display = self.query_one(CompareTable).display = not shown
        (panel if shown else self._grid.chart(0)).focus()

    @work(thread=True, exclusive=True, group="comparison")
    def _compare(self) -> None:
        store = self.workbench.store
        try:
            said = lines(compare([store.find(run_id) for run_id in self.run_ids]))
        except (UserError, OSError) as error:
            said = [str(error)]
        self.app.call_from_thread(self.query_one(WordsPanel).show, said)

    def apply(self, snapshot: Snapshot) -> None:
        self._details = [snapshot.followed[run_id] for run_id in self.run_ids if run_id in snapshot.followed]
        known = comparable_tags(self._details)
        if known:
            self.chosen = [tag for tag in self.chosen if tag in known] or default_scalars(known)
            if self.tag not in known or (not self._one and self.tag not in self.chosen):
                self.tag = self.chosen[0]
        now = (self.tag, *self.tags(), self.group.axis, *((detail.row.id, detail.version) for detail in self._details))
        if now != self._shown:
            self._shown = now
            self._show(known)

    def recolour(self, snapshot: Snapshot) -> None:
        self._shown = ()
        super().recolour(snapshot)

    def _show(self, known: list[str]) -> None:
        colours = self.app.theme_variables
        growing = any(detail.row.state in LIVE_STATES for detail in self._details)
        end = max((furthest(detail, self.group.axis) for detail in self._details), default=None)
        tags = self.tags() or [""]
        for chart, tag in zip(self._grid.show(tags), tags, strict=True):
            chart.title = tag or "nothing measured yet"
            chart.smoothable = not is_setting(tag)
            clock = self.group.axis == "time"
            chart.show(self._curves(tag), x_name=self.group.axis, clock=clock, growing=growing, end=end)
        self._show_values()
        place = f"{wording.count(len(known), 'scalar')}, {len(tags)} shown" if known else ""
        if self._one and known:
            place = f"{known.index(self.tag) + 1} of {wording.count(len(known), 'scalar')}"
        left = Text.assemble((" Compare ", f"bold {colours['accent']}"), f" {wording.count(len(self._details), 'run')}")
        self.query_one("#title", Line).show(left, Text(place + " ", colours["secondary"]))

    def _curves(self, tag: str) -> list[Curve]:
        return [
            Curve(
                f"{detail.row.id}/{tag}",
                detail.row.title,
                along(detail.scalars[tag], self.group.axis, detail),
                detail.scalars[tag].values,
                self.workbench.colours.number(detail.row.id),
            )
            for detail in self._details
            if tag in detail.scalars
        ]

    @property
    def chart(self) -> Chart:
        """The chart of the scalar `tag`."""
        tags = self.tags()
        return self._grid.chart(tags.index(self.tag) if self.tag in tags else 0)

    @on(Chart.CursorMoved)
    def _cursor_moved(self, message: Chart.CursorMoved) -> None:
        self.group.share_cursor(self._grid.charts(), message.chart, message.x)
        self._show_values()

    @on(Chart.WindowMoved)
    def _window_moved(self, message: Chart.WindowMoved) -> None:
        self.group.share_window(self._grid.charts(), message.chart, message.window)

    @on(CompareGrid.Focused)
    def _focused(self, message: CompareGrid.Focused) -> None:
        """The table below is about the chart that has the focus."""
        tags = self.tags()
        if message.number < len(tags) and tags[message.number] != self.tag:
            self.tag = tags[message.number]
            self._shown = ()
            self.workbench.show_snapshot()

    def _show_values(self) -> None:
        """Each run's value under the cursor, or its newest, and its least and greatest."""
        chart = self.chart
        rows = []
        for detail in self._details:
            curve = next((curve for curve in chart.curves if curve.key.startswith(f"{detail.row.id}/")), None)
            at = None
            if curve is not None and curve.x.size:
                at = curve.x.size - 1 if chart.cursor_x is None else at_or_before(curve.x, chart.cursor_x)
            rows.append((detail.row, self.workbench.colours.number(detail.row.id), curve, at))
        self.query_one(CompareTable).show(rows, "" if self._one else self.tag)

    # Which scalars are shown

    def action_next_tag(self, step: int = 1) -> None:
        """The next scalar in the focused chart; in a grid, of those that have no chart yet."""
        known = comparable_tags(self._details)
        free = [tag for tag in known if self._one or tag == self.tag or tag not in self.chosen]
        if free and self.tag in free:
            self._replace(free[(free.index(self.tag) + step) % len(free)])

    def action_choose_scalar(self) -> None:
        """Another scalar for the focused chart, from a list of all that these runs have measured."""

        def answered(tag: str | None) -> None:
            if tag:
                self._replace(tag)

        self.app.push_screen(choose("The scalar to show", self._choices()), answered)

    def action_choose_grid(self) -> None:
        """The scalars of the grid, from the same list."""
        if columns_in(self.app.size.width) == 1:
            self.workbench.tell("A grid needs 100 columns; t chooses the scalar that is shown.", "warning")
            return

        def changed(tags: list[str]) -> None:
            self._alone = False
            self._choose(tags)

        choices = self._choices()
        if choices:
            question = "The scalars of the grid: Enter takes one in or out, Esc closes"
            self.app.push_screen(ChooseSeveral(question, choices, self.chosen, CompareGrid.MOST, changed))

    def _choices(self) -> list[Choice]:
        tags = comparable_tags(self._details)
        runs = {tag: sum(tag in detail.scalars for detail in self._details) for tag in tags}
        shown = self.tags()
        return [Choice(tag, wording.count(runs[tag], "run") + (", shown now" if tag in shown else "")) for tag in tags]

    def _replace(self, tag: str) -> None:
        """Shows a scalar in the focused chart, or goes to the chart that shows it."""
        before, self.tag = self.tag, tag
        if self._one:
            self.workbench.show_snapshot()
        elif tag in self.chosen:
            self._shown = ()
            self.workbench.show_snapshot()
            self._grid.chart(self.chosen.index(tag)).focus()
        else:
            self._choose([tag if shown == before else shown for shown in self.chosen])

    def _choose(self, tags: list[str]) -> None:
        self.chosen = list(tags)
        self.workbench.settings.remember("compare_scalars", self.chosen)
        self.workbench.show_snapshot()

    def action_maximise(self) -> None:
        """The focused chart alone, or the grid again."""
        if columns_in(self.app.size.width) > 1:
            self._alone = not self._alone
            if not self._alone and self.tag not in self.chosen:
                self.tag = self.chosen[0] if self.chosen else ""
            number = 0 if self._alone else self.chosen.index(self.tag) if self.tag in self.chosen else 0
            self.workbench.show_snapshot()
            self._grid.chart(number).focus()

    # Copies, axis, smoothing, export

    def copied(self) -> list[Choice]:
        chart = self.chart
        if not chart.curves:
            return []
        table = chart_csv(chart.curves, chart.x_name)
        return [
            Choice(table, "", shown=f"the numbers as CSV ({len(table):,} characters)"),
            Choice(self.tag, "the scalar"),
        ]

    def action_axis(self) -> None:
        self.group.next_axis()
        for chart in self._grid.charts():
            chart.cursor_x = chart.window = None
        self.workbench.show_snapshot()
        self.workbench.tell(f"Horizontal axis: {self.group.axis}.")

    def action_smoothing(self) -> None:
        smoothing = self.group.next_smoothing()
        for chart in self._grid.charts():
            chart.smoothing = smoothing
        self.workbench.tell(self.group.smoothing_words())

    def exported(self) -> tuple[Chart, str]:
        return self.chart, f"compare-{self.tag.replace('/', '-')}"


SCREEN = ScreenDeclaration(
    name="compare",
    title="Compare",
    help="The curves of several runs side by side.",
    screen=CompareScreen,
    actions=ACTIONS,
    opened=Opening("runs", "c"),
    place=40,
)
