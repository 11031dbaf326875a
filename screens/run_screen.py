"""One run: its curves, its log, its recipe, and when it has evaluated, its confusions and worst mistakes."""

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Grid, Vertical
from textual.widgets import ContentSwitcher

from screens import wording
from screens.actions import (
    AXIS,
    BACK,
    CAPTIONS,
    COPY,
    INSIDE,
    LEAVING,
    RUN_CONTROLS,
    SEARCH,
    SMOOTH_CURVES,
    Action,
    bindings,
)
from screens.chart_group import ChartGroup
from screens.copying import copies_of_run
from screens.curves import (
    CURVE_PANELS,
    GROUNDING,
    MORE_PANELS,
    SYSTEM_PANELS,
    ChartPanel,
    furthest,
    measures,
    panel_curves,
    panel_title,
    step_at,
)
from screens.export import Exports
from screens.look import STATE_COLOURS, glyphs
from screens.navigation import Opening, ScreenDeclaration, ScreenPart
from screens.run_evaluations import RunEvaluations
from screens.snapshot import GROWING_STATES, RunDetail, RunRow, Snapshot
from screens.watcher import Wanted, row_of
from screens.widgets.chart import Chart
from screens.widgets.confusion_view import ConfusionView
from screens.widgets.lines import ProgressLine, TextLine, ViewLine
from screens.widgets.log_view import LogView
from screens.widgets.mistakes_view import MistakesView
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from screens.widgets.recipe_view import RecipeView
from vitbench.errors import UserError
from vitbench.runs.log import LogLine
from vitbench.text import clean

VIEWS = (
    ("curves", "Curves"),
    ("system", "System"),
    ("log", "Log"),
    ("recipe", "Recipe"),
    ("confusion", "Confusion"),
    ("mistakes", "Mistakes"),
)


ACTIONS = (
    BACK,
    SEARCH,
    *RUN_CONTROLS,
    *INSIDE,
    *CAPTIONS,
    *LEAVING,
    AXIS,
    SMOOTH_CURVES,
    Action("e", "export", "export", "Save chart or confusions: PNG, PDF, SVG, or the numbers as CSV.", True),
    Action("z", "maximise", "enlarge", "Give the focused chart the whole screen, and back.", True),
    Action("1", "view('curves')", "curves", "Loss and accuracy, and the log below."),
    Action("2", "view('system')", "system", "Learning rate, throughput, gradient norm, GPU and memory."),
    Action("3", "view('log')", "log", "The whole log."),
    Action("4", "view('recipe')", "recipe", "What this run trains, field by field."),
    Action("5", "view('confusion')", "confusion", "Which classes were predicted for which."),
    Action("6", "view('mistakes')", "mistakes", "The worst mistakes with their pictures."),
    Action("t", "choose_evaluation", "evaluation", "Confusion and mistakes of another evaluation.", True),
    COPY,
)
"""What its keys do."""


class RunScreen(RunEvaluations, Exports):
    """Everything about one run, in views chosen by number."""

    BINDINGS = bindings(ACTIONS)

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self._first_row: RunRow | None = None

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield ProgressLine(id="progress")
        yield ViewLine(VIEWS, id="views")
        yield Note(id="evaluating", least=1)
        yield TextLine(id="moment")
        with ContentSwitcher(initial="curves", id="view"):
            with Vertical(id="curves"):
                with Grid(id="pair"):
                    for panel in CURVE_PANELS:
                        yield Chart(panel.title, id=panel.name, classes="panel")
                    for panel in MORE_PANELS:
                        yield Chart(panel.title, id=f"more-{panel.name}", classes="panel more")
                yield LogView(id="beside-log")
            with Grid(id="system"):
                for panel in SYSTEM_PANELS:
                    yield Chart(panel.title, id=panel.name, classes="panel")
            yield LogView(wraps=True, id="log")
            yield RecipeView(id="recipe")
            yield ConfusionView(id="confusion")
            yield MistakesView(id="mistakes")

    def on_mount(self) -> None:
        self.group = ChartGroup(self.workbench.remembered)
        for chart in self.query(Chart):
            chart.smoothing = self.group.smoothing
        for panel in (*MORE_PANELS, *SYSTEM_PANELS):
            for chart in self.query(f"#{panel.name}, #more-{panel.name}").results(Chart):
                chart.smoothable = not panel.is_setting
        self.query_one("#loss", Chart).focus()

    def wanted(self) -> Wanted:
        return Wanted(frozenset([self.run_id]))

    def current_run(self) -> RunRow | None:
        return self.workbench.snapshot.run(self.run_id) or self._first_row

    def _read_row(self) -> RunRow | None:
        """The run as its folder says, before a snapshot knows it: it may have been made this moment."""
        try:
            run = self.workbench.store.find(self.run_id)
            return row_of(run, run.status())
        except (UserError, OSError):
            return None

    @property
    def view(self) -> str:
        """The name of the view that is shown."""
        return self.query_one(ContentSwitcher).current or "curves"

    def charts(self) -> list[Chart]:
        """The charts of the current view."""
        return list(self.query_one(f"#{self.view}").query(Chart))

    def apply(self, snapshot: Snapshot) -> None:
        run = snapshot.run(self.run_id)
        if run is not None:
            self._first_row = None
        elif self._detail is None:
            run = self._first_row = self._read_row()
        if run is None:
            self.workbench.tell(snapshot.problem or "The run's folder is gone.", "warning")
            self.action_back()
            return
        self._show_head(run)
        self.show_run_controls()
        self.notice_outcome()
        detail = snapshot.followed.get(self.run_id)
        if detail is not None:
            self._detail = detail
            self._show_view(detail)

    def recolour(self, snapshot: Snapshot) -> None:
        self._shown = None
        self._evaluated.clear()
        super().recolour(snapshot)

    def _show_head(self, run: RunRow) -> None:
        colours = self.app.theme_variables
        state = STATE_COLOURS[run.state]
        title = Text.assemble(
            (f" {glyphs().states[run.state]} {run.state_word} ", Style(color=colours[state], bold=True)),
            (clean(run.title), Style(color=colours["foreground"], bold=True)),
        )
        if run.error or run.waiting:
            title.append("  " + clean(run.error or run.waiting), colours["error" if run.error else "secondary"])
            about = ""  # the reason needs the room, and the recipe says the rest
        else:
            about = _about(run, self.app.size.width - title.cell_len - 3)
        self.query_one("#title", TextLine).show(title, Text(about + " ", colours["secondary"]))
        parts = [
            clean(run.doing),
            f"epoch {wording.epochs(run.epoch, run.epochs)}" if run.epochs else "",
            f"step {run.step:,}",
            run.spoken_score,
            _rate(run) if run.state == "running" else "",
            f"{wording.short_time(run.eta_seconds)} left" if run.state == "running" and run.eta_seconds else "",
        ]
        self.query_one(ProgressLine).show(run.progress, "  ".join(part for part in parts if part) + " ", state)

    def _show_view(self, detail: RunDetail) -> None:
        """Brings the visible view up to date, if it is not; the others wait until they are looked at."""
        now = (self.view, detail.version, self.group.axis)
        if now == self._shown:
            return
        self._shown = now
        match self.view:
            case "curves":
                self.query_one("#curves").set_class(measures(GROUNDING, detail), "-grounded")
                self._show_charts(CURVE_PANELS, detail)
                self._show_charts(MORE_PANELS, detail, "more-")
                self.query_one("#beside-log", LogView).show(detail.log)
            case "system":
                self._show_charts(SYSTEM_PANELS, detail)
                self.query_one("#beside-log", LogView).show(detail.log)
            case "log":
                self.query_one("#log", LogView).show(detail.log)
            case "recipe":
                self.query_one(RecipeView).show(detail.recipe)
            case "confusion" | "mistakes":
                self.show_evaluation(detail.evaluations)

    def _show_charts(self, panels: tuple[ChartPanel, ...], detail: RunDetail, prefix: str = "") -> None:
        end = furthest(detail, self.group.axis)
        for panel in panels:
            chart = self.query_one(f"#{prefix}{panel.name}", Chart)
            curves = panel_curves(panel, detail, self.group.axis)
            chart.title = panel_title(panel, curves)
            chart.show(
                curves,
                x_name=self.group.axis,
                clock=self.group.axis == "time",
                growing=detail.row.state in GROWING_STATES,
                end=end,
            )

    # What is asked of the run as a whole

    @on(MistakesView.Opened)
    def action_attention(self) -> None:
        """What the network looks at; of a selected mistake for the predicted class and for the true one."""
        run, mistake = self.current_run(), self.query_one(MistakesView).current if self.view == "mistakes" else None
        if run is None or mistake is None:
            super().action_attention()
            return
        which = self.query_one(MistakesView).evaluation
        network = f"{run.id}@{which.step if which is not None else 'last'}"
        about = {"path": str(mistake.file), "predicted": mistake.predicted, "true": mistake.label}
        self.open_screen("attention", network=network, **about)

    def copied(self) -> list[Choice]:
        run = self.current_run()
        if run is None:
            return []
        mistake = self.query_one(MistakesView).current if self.view == "mistakes" else None
        first = [Choice(str(mistake.file), "the picture's path")] if mistake is not None else []
        log = self.focused.selected_text() if isinstance(self.focused, LogView) else ""
        first += [Choice(log, "the line of the log")] if log else []
        return first + copies_of_run(run, self.workbench.store.runs_folder)

    def action_back(self) -> None:
        self.workbench.evaluator.forget(self.run_id)
        super().action_back()

    # Views and charts

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of charts work where charts are, the key of evaluations where one is shown."""
        if not self.is_mounted:
            return True
        if action in ("axis", "smoothing", "maximise"):
            return self.view in ("curves", "system")
        if action == "export":
            return self.view in ("curves", "system") or (self.view == "confusion" and "confusion" in self._evaluated)
        if action == "choose_evaluation":
            return self.view in ("confusion", "mistakes")
        return super().check_action(action, parameters)

    def action_view(self, name: str) -> None:
        """Shows another view and gives it the focus."""
        self.end_search()
        self.query_one(ContentSwitcher).current = name
        self._show_moment(None)
        self.query_one(ViewLine).pick(name)
        self.refresh_bindings()
        self.workbench.show_snapshot()
        self.call_after_refresh(self.focus_view, name)

    def focus_view(self, name: str) -> None:
        view = self.query_one(f"#{name}")
        target = view if view.can_focus else next((w for w in view.query("*") if w.can_focus and w.display), None)
        if target is not None:
            target.focus()
        self.workbench.show_snapshot()

    @on(ViewLine.Picked)
    def _view_picked(self, message: ViewLine.Picked) -> None:
        self.action_view(message.view)

    @on(Chart.CursorMoved)
    def _cursor_moved(self, message: Chart.CursorMoved) -> None:
        self.group.share_cursor(self.charts(), message.chart, message.x)
        if self._detail is not None:
            step = None if message.x is None else step_at(message.x, self.group.axis, self._detail)
            self._show_moment(self.query_one("#beside-log", LogView).point_at(step))

    def _show_moment(self, line: LogLine | None) -> None:
        """The log line of the cursor's moment, where the log itself is not to be seen."""
        seen = self.view == "curves" and not self.query_one("#curves").has_class("-alone")
        words = "" if line is None or seen else f" {line.step:,}  {clean(line.text)}"
        self.query_one("#moment", TextLine).show(Text(words, self.app.theme_variables["accent"]))

    @on(Chart.WindowMoved)
    def _window_moved(self, message: Chart.WindowMoved) -> None:
        self.group.share_window(self.charts(), message.chart, message.window)

    def action_axis(self) -> None:
        self.group.next_axis()
        for chart in self.query(Chart):
            chart.cursor_x = chart.window = None
        self.workbench.show_snapshot()
        self.workbench.tell(f"Horizontal axis: {self.group.axis}.")

    def action_smoothing(self) -> None:
        smoothing = self.group.next_smoothing()
        for chart in self.query(Chart):
            chart.smoothing = smoothing
        self.workbench.tell(self.group.smoothing_words())

    def action_maximise(self) -> None:
        """The focused panel alone, or all again."""
        view = self.query_one(f"#{self.view}")
        alone = view.has_class("-alone")
        view.set_class(not alone, "-alone")
        for panel in [*view.query(Chart), *view.query(LogView)]:
            panel.set_class(not alone and panel.has_focus, "-chosen")

    def action_export(self) -> None:
        """The chart, or in the view of confusions their matrix."""
        if self.view != "confusion":
            super().action_export()
            return
        run, shown = self.current_run(), self._evaluated.get("confusion")
        if run is None or shown is None:
            self.workbench.tell("There is no confusion matrix here to save.", "warning")
            return
        source = self.workbench.store.runs_folder / run.id / "evaluations" / shown
        self.export_confusion(source, run.title, f"{run.id}-confusion-{source.stem}")

    def exported(self) -> tuple[Chart, str] | None:
        charts = self.charts()
        if not charts:
            return None
        chart = next((chart for chart in charts if chart.has_focus), charts[0])
        return chart, f"{self.run_id}-{chart.id}"


def _rate(run: RunRow) -> str:
    return f"{wording.rate(run.rate).removesuffix('/s')} {run.rate_of}/s" if run.rate else ""


def _about(run: RunRow, room: int) -> str:
    """Model, data and device as far as they fit beside the run's name, which a person reads first."""
    model, data, device = wording.model(run.model), wording.data(run.data), wording.device(run.device, run.gpus)
    for parts in ((model, data, device), (model, device), (model,)):
        words = "  ".join(clean(part) for part in parts if part)
        if cell_len(words) <= room:
            return words
    return ""


SCREEN = ScreenDeclaration(
    name="run",
    title="Run",
    help="One run: curves, log, recipe, confusions and mistakes.",
    screen=RunScreen,
    actions=ACTIONS,
    opened=Opening("runs", "enter"),
    within=(ScreenPart("confusion", "5"), ScreenPart("mistakes", "6"), ScreenPart("chart", "1")),
    order=30,
)
