"""A sweep: how far it is, its leaderboard, and what each key contributed."""

from pathlib import Path

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.widgets import Static

from screens import wording
from screens.actions import BACK, COPY, Action, bindings
from screens.base import WorkbenchScreen
from screens.navigation import Opening, ScreenDeclaration
from screens.snapshot import Snapshot
from screens.widgets.lines import Line
from screens.widgets.picker import Choice
from screens.widgets.sweep_view import SweepView, value_words
from vitbench.errors import UserError
from vitbench.files.outputs import Outputs
from vitbench.sweeps.effects import Effect, effects
from vitbench.sweeps.history import History, Trial, read_history
from vitbench.sweeps.manager import ensure_managers, stop_sweep
from vitbench.sweeps.store import Sweep, all_sweeps

_EVERY = 3.0
"""Seconds between two looks at the runs of the sweep."""


ACTIONS = (
    BACK,
    Action("down,j", "move(1)", "move", "The next trial.", True, "↑↓"),
    Action("up,k", "move(-1)", "trial before", "The trial before."),
    Action("enter", "open_run", "open", "The run of the selected trial.", True),
    Action("right_square_bracket", "other_sweep(1)", "next sweep", "The next sweep.", True, "[ ]"),
    Action("left_square_bracket", "other_sweep(-1)", "sweep before", "The sweep before.", shown="["),
    Action("s", "stop", "stop", "No more runs, and an end of those at work, after a question.", True),
    Action("e", "export", "export", "Write the selected trial's recipe into the working folder.", True),
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


class SweepScreen(WorkbenchScreen):
    """Shows one sweep of the store, the newest first; `[` and `]` go to the others."""

    BINDINGS = bindings(ACTIONS)

    def __init__(self, sweep: str = "") -> None:
        """`sweep` is an id; without it the newest."""
        super().__init__()
        self.sweep_id = sweep
        self.sweeps: list[Sweep] = []
        self.history: History | None = None
        self.state: tuple[str, str] = ("", "")
        self._effects: list[Effect] = []

    def body(self) -> ComposeResult:
        yield Line(id="title")
        yield Static(id="sweep-state")
        yield SweepView(id="sweep")

    def on_mount(self) -> None:
        self.query_one(SweepView).focus()
        self.set_interval(_EVERY, self._look)
        self._look()

    def apply(self, snapshot: Snapshot) -> None:
        self._show()

    @property
    def sweep(self) -> Sweep | None:
        """The one that is shown."""
        return next((sweep for sweep in self.sweeps if sweep.id == self.sweep_id), None)

    @work(thread=True, exclusive=True, group="sweep")
    def _look(self) -> None:
        if self.app.screen is not self and self.history is not None:
            return  # nobody sees it
        store = self.workbench.store
        ensure_managers(store)
        sweeps = all_sweeps(store)
        chosen = next((sweep for sweep in sweeps if sweep.id == self.sweep_id), sweeps[-1] if sweeps else None)
        history, found, state = None, list[Effect](), ("", "")
        if chosen is not None:
            state = chosen.state()
            try:
                history = read_history(store, chosen.id, chosen.plan())
                found = effects(history)
            except UserError as error:
                state = ("failed", str(error))
        self.app.call_from_thread(self._take, sweeps, chosen, history, found, state)

    def _take(
        self,
        sweeps: list[Sweep],
        chosen: Sweep | None,
        history: History | None,
        found: list[Effect],
        state: tuple[str, str],
    ) -> None:
        self.sweeps, self.history, self._effects, self.state = sweeps, history, found, state
        self.sweep_id = chosen.id if chosen is not None else ""
        self._show()

    def _show(self) -> None:
        colours = self.app.theme_variables
        place = next((number for number, sweep in enumerate(self.sweeps, 1) if sweep.id == self.sweep_id), 0)
        right = f"{place} of {len(self.sweeps)}" if len(self.sweeps) > 1 else ""
        name = self.history.plan.name if self.history else ""
        left = Text.assemble((" Sweep ", f"bold {colours['accent']}"), f" {name or self.sweep_id}")
        self.query_one("#title", Line).show(left, Text(f"{right} ", colours["secondary"]))
        self.query_one("#sweep-state", Static).update(Text(self._state_words(), colours["foreground"]))
        self.query_one(SweepView).show(self.history, self._effects)

    def _state_words(self) -> str:
        if self.history is None:
            return f" {self.state[1] or 'No sweeps yet: ^n makes one, as does `vitbench sweep FILE.toml`.'}"
        plan, trials = self.history.plan, self.history.trials.values()
        ended = sum(trial.is_complete(plan.repeats) for trial in trials)
        running = sum(attempt.state == "running" for trial in trials for attempt in trial.attempts.values())
        seeds = f", {plan.repeats} seeds each" if plan.repeats > 1 else ""
        why = f": {self.state[1]}" if self.state[1] else ""
        return (
            f" {self.state[0]}{why}; {ended} of {wording.count(plan.trial_count, 'trial')} ended{seeds},"
            f" {running} running; {plan.method}, by {self.history.metric}"
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
        self._look()

    def action_new_sweep(self) -> None:
        """Makes another sweep."""
        self.open_screen("new_sweep")

    def action_open_run(self) -> None:
        """The first run of the selected trial."""
        trial = self._selected()
        if trial is not None and trial.attempts:
            self.open_screen("run", run_id=trial.attempts[min(trial.attempts)].run.id)

    def action_export(self) -> None:
        """Writes the recipe of the selected trial, the best one at first, beside the sweep's plan."""
        trial, sweep = self._selected(), self.sweep
        if trial is None or sweep is None or not trial.attempts:
            return
        try:
            recipe = trial.attempts[min(trial.attempts)].run.recipe().model_copy(update={"name": ""})
            outputs = Outputs(self.workbench.store_folder)
            written = outputs.write_new(Path.cwd() / f"trial-{trial.number + 1}.toml", recipe.to_toml())
        except (UserError, OSError) as error:
            self.workbench.tell(str(error), "error")
            return
        self.workbench.tell(f"The recipe of {value_words(trial)}: {written}")

    def action_stop(self) -> None:
        """No more runs, and an end of those at work, after a question."""
        sweep = self.sweep
        if sweep is None or self.state[0] != "running":
            return
        name = self.history.plan.name if self.history else sweep.id

        def stop() -> None:
            stopped = stop_sweep(sweep, runs=True)
            self.workbench.tell(f"The sweep is stopped, and {wording.count(stopped, 'run')} of it.")
            self._look()

        self.ask(f"Stop the sweep '{name}'? Its runs finish their step, save and end.", "Stop it", stop)

    def copied(self) -> list[Choice]:
        """The sweep's id, and the values of the selected trial."""
        trial = self._selected()
        found = [Choice(self.sweep_id, "the sweep's id")] if self.sweep_id else []
        return found + ([Choice(value_words(trial), "the trial's values")] if trial is not None else [])


SCREEN = ScreenDeclaration(
    name="sweep",
    title="Sweep",
    help="A sweep: its leaderboard, and what each key contributed.",
    screen=SweepScreen,
    actions=ACTIONS,
    opened=Opening("runs", "S"),
    place=96,
)
