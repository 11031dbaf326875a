"""A sweep: how far it is, its leaderboard, and what each key contributed."""

from pathlib import Path

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from screens.actions import BACK, COPY, Action, bindings
from screens.ask_dialog import AskDialog, choose
from screens.export import Exports
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import Snapshot
from screens.sweep_charts import show_slice, show_survivors
from screens.widgets.chart import Chart
from screens.widgets.lines import TextLine
from screens.widgets.picker import Choice
from screens.widgets.sweep_view import SweepView
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
from vitbench.sweeps.curves import Slice, TrialCurve, slices, survivors
from vitbench.sweeps.effects import Effect, effects
from vitbench.sweeps.history import History, Trial, read_history
from vitbench.sweeps.manager import add_trials, ensure_managers, stop_sweep
from vitbench.sweeps.store import Sweep, all_sweeps
from vitbench.text import clean, counted

_EVERY = 3.0
"""Seconds between two looks at the runs of the sweep."""


ACTIONS = (
    BACK,
    Action("down,j", "move(1)", "move", "The next trial.", True, "↑↓"),
    Action("up,k", "move(-1)", "previous trial", "The previous trial."),
    Action("enter", "open_run", "open", "The run of the selected trial.", True),
    Action("right_square_bracket", "other_sweep(1)", "next sweep", "The next sweep.", True, "[ ]"),
    Action("left_square_bracket", "other_sweep(-1)", "previous sweep", "The previous sweep.", shown="["),
    Action("s", "stop", "stop", "No more runs, and an end of those at work, after a question.", True),
    Action("plus,equals_sign", "more_trials", "more trials", "More trials of this sweep; asks how many.", shown="+"),
    Action("p", "resume", "resume", "Let a sweep that was stopped or failed go on."),
    Action("e", "export", "export", "Write the selected trial's recipe into the working folder.", True),
    Action("C", "clone", "clone", "The selected trial's recipe with three seeds: a new sweep.", True, shown="C"),
    Action("t", "choose", "show", "Leaderboard, curves of the survivors, or a slice over a key; from a list.", True),
    Action("z", "maximise", "enlarge", "Give the focused panel all the room, and back."),
    Action("ctrl+e", "export_chart", "export chart", "Save the focused chart: PNG, PDF, SVG, or CSV.", shown="^e"),
    Action(
        "ctrl+n",
        "new_sweep",
        "new sweep",
        "Many runs from one plan: lists and ranges over a recipe's keys.",
        shown="^n",
    ),
    COPY,
)
"""What its keys do."""


_OF_SWEEP = frozenset(
    {
        *("move", "open_run", "stop", "more_trials", "resume", "export", "clone", "choose", "maximise"),
        *("export_chart", "copy"),
    }
)
"""Actions that need a sweep."""
_BESIDE_FROM = 110
"""Columns from which the charts stand beside the leaderboard; else one panel is shown at a time."""
_BOARD, _CURVES, _SLICE = "leaderboard", "curves", "slice "


class SweepScreen(Exports):
    """Shows one sweep of the store, the newest first; `[` and `]` go to the others.

    `panel` is what a narrow terminal shows, and what is enlarged: the leaderboard, the curves, or the slice of `key`.
    """

    DEFAULT_CSS = """
    SweepScreen #sweep-panels { height: 1fr; }
    SweepScreen SweepView { width: 3fr; }
    SweepScreen #sweep-charts { width: 2fr; height: 1fr; padding: 0 1; }
    """

    BINDINGS = bindings(ACTIONS)

    def __init__(self, sweep: str = "") -> None:
        """`sweep` is an id; without it the newest."""
        super().__init__()
        self.sweep_id = sweep
        self.sweeps: list[Sweep] = []
        self.history: History | None = None
        self.state: tuple[str, str] = ("", "")
        self.panel, self.key = _BOARD, ""
        self._alone = False
        self._effects: list[Effect] = []
        self._curves: list[TrialCurve] = []
        self._slices: list[Slice] = []

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield Static(id="sweep-state")
        with Horizontal(id="sweep-panels"):
            yield SweepView(id="sweep")
            with Vertical(id="sweep-charts"):
                yield Chart(id="sweep-curves")
                yield Chart(id="sweep-slice")

    def on_mount(self) -> None:
        for chart in self.query(Chart):
            chart.smoothable = False
        self.query_one("#sweep-slice", Chart).show_legend = False
        self.query_one(SweepView).focus()
        self._lay_out()
        self.set_interval(_EVERY, self._poll)
        self._poll()

    def on_resize(self) -> None:
        self._lay_out()

    def apply(self, snapshot: Snapshot) -> None:
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a sweep there is one thing to do: to make one."""
        if action in _OF_SWEEP and not self.sweeps:
            return False
        if action == "other_sweep" and len(self.sweeps) < 2:
            return False
        return super().check_action(action, parameters)

    def _lay_out(self) -> None:
        """All panels beside each other where there is room, else the chosen one; none without a sweep."""
        self.query_one("#sweep-panels").display = bool(self.sweeps)
        one = self._alone or self.app.size.width < _BESIDE_FROM
        self.query_one(SweepView).display = not one or self.panel == _BOARD
        self.query_one("#sweep-charts").display = not one or self.panel != _BOARD
        self.query_one("#sweep-curves").display = not one or self.panel == _CURVES
        self.query_one("#sweep-slice").display = not one or self.panel.startswith(_SLICE)

    @property
    def sweep(self) -> Sweep | None:
        """The one that is shown."""
        return next((sweep for sweep in self.sweeps if sweep.id == self.sweep_id), None)

    @work(thread=True, exclusive=True, group="sweep")
    def _poll(self) -> None:
        if self.app.screen is not self and self.history is not None:
            return  # nobody sees it
        store = self.workbench.store
        ensure_managers(store)
        sweeps = all_sweeps(store)
        chosen = next((sweep for sweep in sweeps if sweep.id == self.sweep_id), sweeps[-1] if sweeps else None)
        history, found, state = None, list[Effect](), ("", "")
        curves, cut = list[TrialCurve](), list[Slice]()
        if chosen is not None:
            state = chosen.state()
            try:
                history = read_history(store, chosen.id, chosen.plan())
                found, curves, cut = effects(history), survivors(history), slices(history)
            except UserError as error:
                state = ("failed", str(error))
        self.app.call_from_thread(self._take, sweeps, chosen, history, found, state, curves, cut)

    def _take(
        self,
        sweeps: list[Sweep],
        chosen: Sweep | None,
        history: History | None,
        found: list[Effect],
        state: tuple[str, str],
        curves: list[TrialCurve],
        cut: list[Slice],
    ) -> None:
        self._curves, self._slices = curves, cut
        self.sweeps, self.history, self._effects, self.state = sweeps, history, found, state
        self.sweep_id = chosen.id if chosen is not None else ""
        self._lay_out()
        self.refresh_bindings()
        self._show()

    def _show(self) -> None:
        colours = self.app.theme_variables
        place = next((number for number, sweep in enumerate(self.sweeps, 1) if sweep.id == self.sweep_id), 0)
        right = f"{place} of {len(self.sweeps)}" if len(self.sweeps) > 1 else ""
        name = self.history.plan.name if self.history else ""
        left = Text.assemble((" Sweep ", f"bold {colours['accent']}"), f" {name or self.sweep_id}")
        self.query_one("#title", TextLine).show(left, Text(f"{right} ", colours["secondary"]))
        self.query_one("#sweep-state", Static).update(Text(self._state_words(), colours["foreground"]))
        coloured = {one.trial.number: colour for colour, one in enumerate(self._curves)}
        self.query_one(SweepView).show(self.history, self._effects, coloured)
        metric = self.history.metric if self.history else ""
        show_survivors(self.query_one("#sweep-curves", Chart), self._curves, metric)
        shown = next((one for one in self._slices if one.key == self.key), self._slices[0] if self._slices else None)
        show_slice(self.query_one("#sweep-slice", Chart), shown, metric)

    def _state_words(self) -> str:
        if self.history is None:
            return f" {self.state[1] or 'No sweeps yet: ^n makes one, as does `vitbench sweep FILE.toml`.'}"
        plan, trials = self.history.plan, self.history.trials.values()
        ended = sum(trial.is_complete(plan.repeats) for trial in trials)
        running = sum(attempt.state == "running" for trial in trials for attempt in trial.attempts.values())
        seeds = f", {plan.repeats} seeds each" if plan.repeats > 1 else ""
        why = f": {self.state[1]}" if self.state[1] else ""
        ties = f"; {ties}" if (ties := self.history.ties()) else ""
        return (
            f" {self.state[0]}{why}; {ended} of {counted(plan.trial_count, 'trial')} ended{seeds},"
            f" {running} running; {plan.method}, by {self.history.metric}{ties}"
        )

    def _selected(self) -> Trial | None:
        return self.query_one(SweepView).selected

    def action_move(self, by: int) -> None:
        """The next trial of the leaderboard, or the one before."""
        self.query_one(SweepView).move(by)

    def action_other_sweep(self, by: int) -> None:
        """The next sweep, or the one before."""
        if len(self.sweeps) < 2:
            return
        ids = [sweep.id for sweep in self.sweeps]
        place = ids.index(self.sweep_id) if self.sweep_id in ids else 0
        self.sweep_id, self.history = ids[(place + by) % len(ids)], None
        self._poll()

    def action_new_sweep(self) -> None:
        """Makes another sweep."""
        self.open_screen("new_sweep")

    def action_open_run(self) -> None:
        """The first run of the selected trial."""
        trial = self._selected()
        if trial is not None and trial.attempts:
            self.query_one(SweepView).hold()
            self.open_screen("run", run_id=trial.attempts[min(trial.attempts)].run.id)

    def action_export(self) -> None:
        """Writes the recipe of the selected trial, the best one at first, into the working folder."""
        trial = self._selected()
        try:
            written = self._recipe_of_selected()
        except (UserError, OSError) as error:
            self.workbench.tell(str(error), "error")
            return
        if trial is not None and written is not None:
            self.workbench.tell(f"The recipe of {clean(trial.exact_words)}: {written}")

    def _recipe_of_selected(self) -> Path | None:
        """The recipe of the selected trial's first run, in a new file of the working folder."""
        trial = self._selected()
        if trial is None or not trial.attempts:
            return None
        recipe = trial.attempts[min(trial.attempts)].run.recipe().model_copy(update={"name": ""})
        outputs = Outputs(self.workbench.store_folder)
        return outputs.write_new(Path.cwd() / f"trial-{trial.number + 1}.toml", recipe.to_toml())

    def action_clone(self) -> None:
        """Writes the selected trial's recipe, and offers a sweep of it with three seeds: is it as good again?"""
        try:
            written = self._recipe_of_selected()
        except (UserError, OSError) as error:
            self.workbench.tell(str(error), "error")
            return
        if written is not None:
            self.workbench.tell(f"The recipe of the trial: {written}")
            self.open_screen("new_sweep", base=str(written), keys={"train.seed": "1, 2, 3"})

    def action_more_trials(self) -> None:
        """Asks for the number of trials, and lets the sweep go on to it."""
        sweep, history = self.sweep, self.history
        if sweep is None or history is None:
            return
        now = history.plan.trial_count

        def answered(text: str | None) -> None:
            if not text:
                return
            try:
                add_trials(sweep, int(text) if text.isdigit() else 0)
            except (UserError, OSError) as error:
                self.workbench.tell(str(error), "error")
            self._poll()

        question = f"How many trials in all? There are {counted(now, 'trial')} now."
        self.app.push_screen(AskDialog(question, lambda typed: [], str(now + 5), label="Trials"), answered)

    def action_resume(self) -> None:
        """Lets a sweep that was stopped or failed go on."""
        sweep = self.sweep
        if sweep is None or self.state[0] not in ("stopped", "failed"):
            return
        sweep.set_state("running")
        self.workbench.tell("The sweep goes on.")
        self._poll()

    # Panels

    def action_choose(self) -> None:
        """What is shown in a narrow terminal, and of which key the slice is."""
        entries = [Choice(_BOARD, "the trials, and what each key contributed"), Choice(_CURVES, "the best trials")]
        entries += [Choice(f"{_SLICE}{one.key}", "the score over its values") for one in self._slices]

        def answered(chosen: str | None) -> None:
            if not chosen:
                return
            self.panel = chosen
            if chosen.startswith(_SLICE):
                self.key = chosen.removeprefix(_SLICE)
            self._lay_out()
            self._show()
            self._focus_panel()

        self.app.push_screen(choose("Show", entries), answered)

    def _focus_panel(self) -> None:
        panel = "#sweep" if self.panel == _BOARD else "#sweep-curves" if self.panel == _CURVES else "#sweep-slice"
        self.query_one(panel).focus()

    def action_maximise(self) -> None:
        """The focused panel alone, or all of them again."""
        focused = self.focused.id if self.focused is not None else ""
        key = self.query_one("#sweep-slice", Chart).x_name
        self.panel = {"sweep-curves": _CURVES, "sweep-slice": f"{_SLICE}{key}"}.get(focused or "", _BOARD)
        self._alone = not self._alone
        self._lay_out()
        self._focus_panel()

    def exported(self) -> tuple[Chart, str] | None:
        """The chart that has the focus, else the one of the survivors."""
        chart = self.focused if isinstance(self.focused, Chart) else self.query_one("#sweep-curves", Chart)
        return chart, f"sweep-{chart.x_name.replace('.', '-')}"

    def action_export_chart(self) -> None:
        """Saves the focused chart."""
        super().action_export()

    def action_stop(self) -> None:
        """No more runs, and an end of those at work, after a question."""
        sweep = self.sweep
        if sweep is None or self.state[0] != "running":
            return
        name = self.history.plan.name if self.history else sweep.id

        def stop() -> None:
            stopped = stop_sweep(sweep, runs=True)
            self.workbench.tell(f"The sweep is stopped, and {counted(stopped, 'run')} of it.")
            self._poll()

        self.ask(f"Stop the sweep '{name}'? Its runs finish their step, save and end.", "Stop it", stop)

    def copied(self) -> list[Choice]:
        """The sweep's id, and the values of the selected trial."""
        trial = self._selected()
        found = [Choice(self.sweep_id, "the sweep's id")] if self.sweep_id else []
        return found + ([Choice(clean(trial.exact_words), "the trial's values")] if trial is not None else [])


SCREEN = ScreenDeclaration(
    name="sweep",
    title="Sweep",
    help="A sweep: its leaderboard, and what each key contributed.",
    screen=SweepScreen,
    actions=ACTIONS,
    opened=Opening("runs", "S"),
    order=96,
)
