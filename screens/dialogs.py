"""Small screens over the others: a question, and the notice of a crash."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from vitbench.errors import UserError
from vitbench.runs.log import LogLine, last_lines
from vitbench.text import clean

if TYPE_CHECKING:
    from screens.app import Workbench


class ConfirmDialog(ModalScreen[bool]):
    """A question with two answers; nothing happens by accident: Enter on "no" is the default."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape", "answer(False)", "no"),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(clean(self._question)), classes="words")
            yield OptionList(Option("No, go back (n)", id="no"), Option(f"{self._yes} (y)", id="yes"), compact=True)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id == "yes")


class CrashNotice(ModalScreen[None]):
    """A run's process has died: the last lines of its log, and the offer to resume.

    A run that diverged would diverge again: it is not offered.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "resume", "resume"),
        Binding("escape", "dismiss_notice", "later"),
        Binding("q", "app.leave", "leave"),
    ]

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id

    def compose(self) -> ComposeResult:
        workbench = cast("Workbench", self.app)
        run = workbench.snapshot.run(self.run_id)
        title = run.title if run else self.run_id
        state = run.state if run else "gone"
        self._may_resume = state != "diverged"
        colours = self.app.theme_variables
        words = Text.assemble((clean(title), "bold"), f" has {_ended(state)}")
        if run and run.total_steps:
            words.append(f" at step {run.step:,} of {run.total_steps:,}")
        words.append(".\n")
        if run and run.error:
            words.append(clean(run.error) + "\n", colours["error"])
        for line in _last_lines(workbench, self.run_id):
            words.append(f"\n{line.step:>7,}  ", colours["secondary"])
            words.append(clean(line.text))
        if not self._may_resume:
            words.append("\n\nIt would diverge again: start one with a smaller learning rate.", colours["warning"])
        options = [
            Option("Open the run (Enter)", id="open"),
            Option("Later (Esc)", id="later"),
            Option("Leave the app (q)", id="leave"),
        ]
        if self._may_resume:
            options.insert(1, Option("Resume from the last checkpoint (p)", id="resume"))
        with Vertical(classes="dialog wide"):
            with VerticalScroll(can_focus=False):
                yield Static(words, classes="words")
            yield OptionList(*options, compact=True)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        {
            "resume": self.action_resume,
            "open": self.action_open,
            "later": self.action_dismiss_notice,
            "leave": cast("Workbench", self.app).action_leave,
        }[event.option_id or "later"]()

    def action_resume(self) -> None:
        if not self._may_resume:
            return
        self.dismiss()
        cast("Workbench", self.app).resume_run(self.run_id)

    def action_open(self) -> None:
        from screens.navigation import make_screen

        self.dismiss()
        self.app.push_screen(make_screen("run", run_id=self.run_id))

    def action_dismiss_notice(self) -> None:
        self.dismiss()


def _ended(state: str) -> str:
    return {
        "crashed": "crashed: its process is gone",
        "diverged": "diverged: the loss is not a number",
        "failed": "failed",
    }.get(state, state)


def _last_lines(workbench: "Workbench", run_id: str) -> list[LogLine]:
    try:
        return last_lines(workbench.store.find(run_id).log, 8, 2**20)
    except (UserError, OSError):
        return []
