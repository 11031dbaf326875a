"""The keys of screens that have a current run: pause, resume, stop, kill, evaluate, look inside, report, export."""

from collections.abc import Callable
from pathlib import Path

from rich.text import Text

from screens import wording
from screens.base import WorkbenchScreen
from screens.snapshot import LIVE_STATES, RunRow
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from vitbench.export.formats import EXPORT_FORMATS
from vitbench.text import clean


class RunControls(WorkbenchScreen):
    """Pause, resume, stop, kill, evaluate for the run that a screen calls current. Subclasses have a Note `evaluating`.

    Keys that can do nothing for the run are not offered.
    """

    _offered: tuple[str, bool] = ("", False)

    def current_run(self) -> RunRow | None:
        """The run that the keys act on."""
        raise NotImplementedError  # each screen has its own

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A run that has ended cannot be stopped; one that has finished cannot be resumed either."""
        if not self.is_mounted or action not in ("pause_or_resume", "stop", "kill", "evaluate"):
            return True
        run = self.current_run()
        if run is None:
            return False
        if action == "evaluate":
            return run.task != "caption"
        return run.state in LIVE_STATES or (action == "pause_or_resume" and run.state != "finished")

    def show_run_controls(self) -> None:
        """Brings the keys and the line of an evaluation up to date with the current run."""
        run = self.current_run()
        offered = (run.state, run.task == "caption") if run is not None else ("", False)
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        note = self.query_one("#evaluating", Note)
        now = self.workbench.evaluator.shown_with(run.id if run is not None else "")
        note.display = now is not None
        if now is None:
            return
        other = self.workbench.snapshot.run(now.run_id) if run is None or run.id != now.run_id else None
        words = Text(f"{clean(other.title)}: " if other else "", self.app.theme_variables["secondary"])
        words.append(clean(now.words), self.app.theme_variables[now.colour])
        if now.going and other is None:
            words.append("   E cancels", self.app.theme_variables["secondary"])
        note.show(words)

    def action_pause_or_resume(self) -> None:
        run = self.current_run()
        if run is None:
            return
        if run.state in ("running", "queued"):
            self._control("pause", run)
        else:
            self._control("resume", run)

    def action_stop(self) -> None:
        run = self.current_run()
        if run is None:
            return
        left = f"; {wording.short_time(run.eta_seconds)} of training would be left" if run.eta_seconds else ""
        question = f'Stop "{run.title}" at step {run.step:,}? It finishes its step and saves, and can be resumed{left}.'
        if run.state == "queued":
            question = _out_of_the_queue(run)
        self.ask(question, "Stop", lambda: self._control("stop", run))

    def action_kill(self) -> None:
        run = self.current_run()
        if run is None:
            return
        question = f'Kill "{run.title}" at step {run.step:,}? What it did since its last checkpoint is lost.'
        if run.state == "queued":
            question = _out_of_the_queue(run)
        self.ask(question, "Kill", lambda: self._control("kill", run))

    def action_evaluate(self) -> None:
        """Asks on which pictures, then evaluates aside; while that goes on, cancels it."""
        from screens.ask_dialog import AskDialog
        from screens.paths import data_places

        run, now = self.current_run(), self.workbench.evaluator.now
        if run is None:
            return
        if now is not None and now.going:
            if now.run_id == run.id:
                self.workbench.cancel_evaluation()
            else:
                self.workbench.tell("Another run is being evaluated: wait, or cancel it with E there.", "warning")
            return

        def answered(data: str | None) -> None:
            if data is not None:
                self.workbench.evaluate_run(run.id, data)

        recent = dict.fromkeys(other.data for other in reversed(self.workbench.snapshot.runs) if other.data)
        question = f'Evaluate "{run.title}" on'
        own = "empty: its own test split, else validation; or a folder of labelled pictures"
        places = AskDialog(question, lambda typed: data_places(typed, recent), label="Pictures", empty=own)
        self.app.push_screen(places, answered)

    def action_attention(self) -> None:
        """What the network looks at of the run that the keys act on."""
        self._look_inside("attention")

    def action_positions(self) -> None:
        """What the network knows about place of the run that the keys act on."""
        self._look_inside("positions")

    def action_features(self) -> None:
        """What the network makes of each patch, of the run that the keys act on."""
        self._look_inside("features")

    def _look_inside(self, screen: str) -> None:
        run = self.current_run()
        if run is None:
            self.open_screen(screen, network="demo")
        elif run.task == "caption":
            self.workbench.tell(f"{run.title} trains a captioner; w opens its captions.", "warning")
        else:
            which = "best" if run.state == "finished" else "last"
            self.open_screen(screen, network=f"{run.id}@{which}")

    def action_demo_attention(self) -> None:
        """The package's network on the sample pictures."""
        self.open_screen("attention", network="demo")

    def action_demo_positions(self) -> None:
        """Positions of the package's network."""
        self.open_screen("positions", network="demo")

    def action_captions(self) -> None:
        """The captioner of the run that the keys act on."""
        run = self.current_run()
        if run is None:
            self.action_demo_captions()
        elif run.task == "caption":
            self.open_screen("captions", captioner=f"{run.id}@last")
        else:
            self.workbench.tell(f"{run.title} trains a classifier; W opens the package's captioner.", "warning")

    def action_demo_captions(self) -> None:
        """The package's captioner on the sample pictures."""
        self.open_screen("captions", captioner="demo")

    def action_figures(self) -> None:
        """The saved figures of the run that the keys act on; without a run, those of the store."""
        run = self.current_run()
        self.open_screen("figures", run_id=run.id if run is not None else "")

    def action_report(self) -> None:
        """Asks where to and what it is to hold, then writes it aside; the marked runs are proposed beside it."""
        from screens.report_dialog import ReportChoices, ReportDialog

        run = self._free_run()
        if run is None:
            return
        known = {other.id for other in self.workbench.snapshot.runs}
        marked = tuple(name for name in self.workbench.remembered.texts("marked") if name in known)

        def answered(choices: ReportChoices | None) -> None:
            if choices is not None:
                self.workbench.report_run(run.id, choices.request, str(choices.folder))

        self.app.push_screen(ReportDialog(self.workbench, run, marked), answered)

    def action_export_network(self) -> None:
        """Asks for whom and where to, then writes the network aside."""
        from screens.ask_dialog import choose

        run = self._free_run()
        if run is None:
            return
        if run.task == "caption":
            self.workbench.tell(f"{run.title} trains a captioner, which no other library loads.", "warning")
            return

        def answered(form: str | None) -> None:
            if form:
                self._ask_folder(
                    f'Export "{run.title}" for {EXPORT_FORMATS[form].title} into the folder',
                    f"{run.id}-{form}",
                    lambda folder: self.workbench.export_network(run.id, form, folder),
                )

        choices = [Choice(one.name, one.title) for one in EXPORT_FORMATS.values()]
        self.app.push_screen(choose(f'Export the network of "{run.title}" for', choices), answered)

    def _free_run(self) -> RunRow | None:
        """The current run, if nothing else that takes long goes on; else a sentence."""
        run, now = self.current_run(), self.workbench.evaluator.now
        if run is not None and now is not None and now.going:
            self.workbench.tell("Something that takes long goes on: wait, or cancel it with E.", "warning")
            return None
        return run

    def _ask_folder(self, question: str, name: str, then: Callable[[str], object]) -> None:
        from screens.ask_dialog import AskDialog

        def answered(folder: str | None) -> None:
            if folder:
                then(folder)

        def places(typed: str) -> list[Choice]:
            """What is typed, and nothing that is there already: the folder is a new one."""
            return [Choice(typed, "a new folder")] if typed else []

        self.app.push_screen(AskDialog(question, places, str(Path.cwd() / name), label="Folder"), answered)

    def _control(self, verb: str, run: RunRow) -> None:
        self.workbench.control_run(verb, run.id, run.title)


def _out_of_the_queue(run: RunRow) -> str:
    """What ends with a run that waits: its place, and nothing that was trained."""
    state = f"It stays at step {run.step:,}" if run.step else "It has not started"
    return f'Take "{run.title}" out of the queue? {state}; p queues it again, behind the others.'
