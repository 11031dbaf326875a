"""What all screens share: the frame, the snapshot, and the keys that start, pause and end runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.screen import Screen

from screens import wording
from screens.navigation import make_screen
from screens.snapshot import RunRow, Snapshot
from screens.watcher import Wanted
from screens.widgets.lines import KeyLine, TooSmall

if TYPE_CHECKING:
    from screens.app import Workbench


class WorkbenchScreen(Screen[None]):
    """A screen that shows snapshots. Subclasses compose with `body` and change only in `apply`."""

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny-width"), (50, "-narrow"), (100, "-wide"), (150, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-tiny-height"), (12, "-short"), (34, "-tall"), (50, "-towering")]  # noqa: RUF012

    @property
    def workbench(self) -> "Workbench":
        """The app, by its own type."""
        return cast("Workbench", self.app)

    def body(self) -> ComposeResult:
        """The widgets between the top of the screen and the line of keys."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield from self.body()
        yield KeyLine()
        yield TooSmall()

    def wanted(self) -> Wanted:
        """What the watcher should read for this screen."""
        return Wanted()

    def apply(self, snapshot: Snapshot) -> None:
        """Shows a snapshot. Called in one place, under `batch_update`."""

    def on_screen_resume(self) -> None:
        self.workbench.show_snapshot()

    def action_back(self) -> None:
        """Back to the screen below."""
        if len(self.app.screen_stack) > 2:
            self.dismiss()


class RunControls(WorkbenchScreen):
    """Pause, resume, stop, kill for the run that a screen calls current."""

    def current_run(self) -> RunRow | None:
        """The run that the keys act on."""
        raise NotImplementedError

    def action_pause_or_resume(self) -> None:
        run = self.current_run()
        if run is None:
            return
        if run.state in ("running", "queued"):
            self._control("pause", run, "is asked to save and free the GPU")
        elif run.state == "finished":
            self.workbench.tell(f"{run.title} has finished; there is nothing to resume.", "warning")
        else:
            self._control("resume", run, "goes on from its last checkpoint")

    def action_stop(self) -> None:
        run = self.current_run()
        if run is not None and self._is_live(run):
            self._control("stop", run, "finishes its step, saves and ends")

    def action_kill(self) -> None:
        run = self.current_run()
        if run is None or not self._is_live(run):
            return
        question = f"Kill {run.title} at step {run.step:,}? What was saved last remains."
        self.ask(question, "Kill", lambda: self._control("kill", run, "is killed"))

    def action_attention(self) -> None:
        """What the network looks at of the run that the keys act on."""
        self._look_inside("attention")

    def action_positions(self) -> None:
        """What the network knows about place of the run that the keys act on."""
        self._look_inside("positions")

    def _look_inside(self, screen: str) -> None:
        run = self.current_run()
        if run is None:
            self.app.push_screen(make_screen(screen, network="demo"))
        elif run.task == "caption":
            self.workbench.tell(f"{run.title} trains a captioner; w opens its captions.", "warning")
        else:
            which = "best" if run.state == "finished" else "last"
            self.app.push_screen(make_screen(screen, network=f"{run.id}@{which}"))

    def action_demo_attention(self) -> None:
        """The package's network on the sample pictures."""
        self.app.push_screen(make_screen("attention", network="demo"))

    def action_demo_positions(self) -> None:
        """Positions of the package's network."""
        self.app.push_screen(make_screen("positions", network="demo"))

    def action_captions(self) -> None:
        """The captioner of the run that the keys act on."""
        run = self.current_run()
        if run is None:
            self.action_demo_captions()
        elif run.task == "caption":
            self.app.push_screen(make_screen("captions", captioner=f"{run.id}@last"))
        else:
            self.workbench.tell(f"{run.title} trains a classifier; W opens the package's captioner.", "warning")

    def action_demo_captions(self) -> None:
        """The package's captioner on the sample pictures."""
        self.app.push_screen(make_screen("captions", captioner="demo"))

    def _is_live(self, run: RunRow) -> bool:
        if run.state in ("running", "queued", "paused"):
            return True
        self.workbench.tell(f"{run.title} is {run.state}; no process of it runs.", "warning")
        return False

    def ask(self, question: str, yes: str, then: Callable[[], None]) -> None:
        """Asks before something that cannot be undone."""
        from screens.dialogs import ConfirmDialog

        def answered(agreed: bool | None) -> None:
            if agreed:
                then()

        self.app.push_screen(ConfirmDialog(question, yes), answered)

    def _control(self, verb: str, run: RunRow, outcome: str) -> None:
        self.workbench.control_run(verb, run.id, f"{run.title} {outcome}.")


def state_words(run: RunRow) -> str:
    """A run's state and how far it is, in a few words."""
    done = wording.epochs(run.epoch, run.epochs)
    parts = [run.state, f"epoch {done}" if done else ""]
    if run.state == "running" and run.eta_seconds is not None:
        parts.append(f"{wording.short_time(run.eta_seconds)} left")
    return ", ".join(part for part in parts if part)
