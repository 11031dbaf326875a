"""Several runs side by side: a grid of charts, one for each chosen scalar; each run in the colour that it keeps."""

from rich.text import Text
from textual import on
from textual.app import ComposeResult

from screens.actions import AXIS, BACK, COPY, SEARCH, SMOOTH_CURVES, Action, bindings
from screens.ask_dialog import ChooseSeveral, choose
from screens.chart_group import ChartGroup
from screens.compare_grid import CompareGrid, columns_in, default_scalars
from screens.compare_views import CompareViews
from screens.curves import along, comparable_tags, furthest, group_curve, is_setting
from screens.export import chart_csv
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import GROWING_STATES, RunDetail, RunRow, Snapshot
from screens.watcher import Wanted
from screens.widgets.chart import Chart, Curve, SpreadBand
from screens.widgets.chart_raster import at_or_before
from screens.widgets.compare_table import CompareTable
from screens.widgets.disagreements import Disagreements
from screens.widgets.lines import TextLine
from screens.widgets.picker import Choice
from screens.widgets.words_panel import WordsPanel
from vitbench.listing.groups import group_of, group_row
from vitbench.text import counted

ACTIONS = (
    BACK,
    SEARCH,
    Action("t", "choose_scalar", "scalar", "Another scalar in this chart, from a list.", True),
    Action("g", "choose_grid", "grid", "Which scalars have a chart, from a list; remembered.", True),
    Action("d", "details", "details", "Keys that differ, seeds, and a paired test on the same pictures.", True),
    Action("1", "view('charts')", "charts", "The charts, and the values under the cursor."),
    Action("2", "view('differences')", "differences", "As d: keys that differ, seeds, a paired test."),
    Action("3", "view('pictures')", "pictures", "Pictures that one gets right and another wrong.", True, "3"),
    Action("i", "attention", "attention", "Maps of the selected picture: of a network that is right, and a wrong one."),
    Action("z", "maximise", "enlarge", "Give the focused chart all the room, and back.", True),
    Action("right_square_bracket", "next_tag(1)", "next scalar", "The next scalar.", True, "[ ]"),
    Action("left_square_bracket", "next_tag(-1)", "previous scalar", "The previous scalar.", shown="["),
    Action("U", "group", "unite seeds", "Runs that differ by their seed alone as one line with a band.", True, "U"),
    AXIS,
    SMOOTH_CURVES,
    Action("e", "export", "export", "Save the chart (PNG, PDF, SVG, CSV), the differences or the pictures.", True),
    COPY,
)
"""What its keys do."""


class CompareScreen(CompareViews):
    """The charts, and below them a table of the runs with their values of one chart under its cursor.

    A narrow terminal shows one chart. `tag` is the scalar of the chart that has the focus, `chosen` those of the grid.
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        super().__init__(run_ids)
        self.tag = ""
        self.chosen: list[str] = []
        self.grouped = False
        self._alone = False
        self._details: list[RunDetail] = []
        self._shown: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield CompareGrid(id="charts")
        yield CompareTable(id="values")
        yield WordsPanel(id="differences")
        yield Disagreements(id="pictures")

    def on_mount(self) -> None:
        self.chosen = self.workbench.remembered.texts("compare_scalars")
        self.grouped = self.workbench.remembered.flag("grouped", False)
        self.group = ChartGroup(self.workbench.remembered)
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
        return Wanted(frozenset(self.run_ids), recipes=self.grouped)

    def shown_lines(self) -> list[tuple[RunRow, list[RunDetail], int]]:
        """A row, the runs behind it and a colour for each line of a chart: a run, or the seeds of a group."""
        found: dict[object, list[RunDetail]] = {}
        for detail in self._details:
            group = group_of(detail.row) if self.grouped else None
            found.setdefault(detail.row.id if group is None else ("group", group), []).append(detail)
        numbers = self.workbench.colours
        rows = [(group_row([one.row for one in own]) if len(own) > 1 else own[0].row, own) for own in found.values()]
        return [(row, own, numbers.number(own[0].row.id)) for row, own in rows]

    def action_group(self) -> None:
        """Runs that differ by their seed alone as one line with a band, or each for itself."""
        self.grouped = not self.grouped
        self.workbench.remembered.set("grouped", self.grouped)
        said = "Runs that differ by their seed alone are one line: the mean, in a band from the least to the greatest."
        self.workbench.tell(said if self.grouped else "Each run has a line of its own.")
        self._shown = ()
        self.workbench.show_snapshot()

    def show_charts(self, shown: bool) -> None:
        self._grid.display = self.query_one(CompareTable).display = shown
        if shown:
            self._grid.chart(0).focus()

    def compared_rows(self) -> list[RunRow]:
        return [detail.row for detail in self._details]

    def apply(self, snapshot: Snapshot) -> None:
        self._details = [snapshot.followed[run_id] for run_id in self.run_ids if run_id in snapshot.followed]
        known = comparable_tags(self._details)
        if known:
            self.chosen = [tag for tag in self.chosen if tag in known] or default_scalars(known)
            if self.tag not in known or (not self._one and self.tag not in self.chosen):
                self.tag = self.chosen[0]
        now = (
            self.tag,
            *self.tags(),
            self.group.axis,
            self.grouped,
            self.group.smoothing,
            *((detail.row.id, detail.version) for detail in self._details),
        )
        if now != self._shown:
            self._shown = now
            self._show(known)

    def recolour(self, snapshot: Snapshot) -> None:
        self._shown = ()
        super().recolour(snapshot)

    def _show(self, known: list[str]) -> None:
        colours = self.app.theme_variables
        growing = any(detail.row.state in GROWING_STATES for detail in self._details)
        tags = self.tags() or [""]
        for chart, tag in zip(self._grid.show(tags), tags, strict=True):
            chart.title = tag or "nothing measured yet"
            chart.smoothable = not is_setting(tag)
            clock = self.group.axis == "time"
            curves, spreads = self._curves(tag)
            # A long run that has not measured it does not squeeze those that have.
            measured = [detail for detail in self._details if tag in detail.scalars]
            end = max((furthest(detail, self.group.axis) for detail in measured), default=None)
            chart.show(curves, spreads=spreads, x_name=self.group.axis, clock=clock, growing=growing, end=end)
        self._show_values()
        place = f"{counted(len(known), 'scalar')}, {len(tags)} shown" if known else ""
        if self._one and known:
            place = f"{known.index(self.tag) + 1} of {counted(len(known), 'scalar')}"
        left = Text.assemble((" Compare ", f"bold {colours['accent']}"), f" {counted(len(self._details), 'run')}")
        self.query_one("#title", TextLine).show(left, Text(place + " ", colours["secondary"]))

    def _curves(self, tag: str) -> tuple[list[Curve], list[SpreadBand]]:
        """A curve for each line that has the scalar; those of a group with a band."""
        curves, spreads = [], []
        for row, own, colour in self.shown_lines():
            if len(own) > 1:
                smoothing = 0.0 if is_setting(tag) else self.group.smoothing
                if (drawn := group_curve(tag, row.title, own, self.group.axis, colour, smoothing)) is not None:
                    curves.append(drawn[0])
                    spreads.append(drawn[1])
            elif tag in own[0].scalars:
                measured = own[0].scalars[tag]
                along_x = along(measured, self.group.axis, own[0])
                curves.append(Curve(f"{row.id}/{tag}", row.title, along_x, measured.values, colour))
        return curves, spreads

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
        """Each run's value under the cursor, or its newest, and its least and greatest; of a group those of its seeds
        there."""
        chart = self.chart
        rows = []
        bands = {spread.key: spread.values for spread in chart.spreads}
        for row, own, colour in self.shown_lines():
            start = f"{own[0].row.id}+{len(own)}/" if len(own) > 1 else f"{row.id}/"
            curve = next((curve for curve in chart.curves if curve.key.startswith(start)), None)
            at, edges = None, None
            if curve is not None and curve.x.size:
                at = curve.x.size - 1 if chart.cursor_x is None else at_or_before(curve.x, chart.cursor_x)
                if at is not None and (band := bands.get(curve.key)) is not None:
                    edges = (float(band.low[at]), float(band.high[at]))
            rows.append((row, colour, curve, at, edges))
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
        return [Choice(tag, counted(runs[tag], "run") + (", shown now" if tag in shown else "")) for tag in tags]

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
        self.workbench.remembered.set("compare_scalars", self.chosen)
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
        table = chart_csv(chart.curves, chart.x_name, chart.spreads)
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
        self.workbench.show_snapshot()
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
    order=40,
)
