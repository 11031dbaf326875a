"""The captions screen's questions: a caption, and which captioner."""

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from screens.paths import captioners_below
from screens.snapshot import Snapshot
from screens.typed_work import FormDialog
from screens.widgets.picker import Choice, matching
from vitbench.runs.store import Store


class CaptionDialog(FormDialog[str]):
    """The caption to look at; empty lets the captioner write its own again."""

    def __init__(self, caption: str) -> None:
        super().__init__()
        self._caption = caption

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text("Look at this caption (empty: the captioner's own)"), classes="words")
            yield Input(self._caption, id="caption-line", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())


def captioners(snapshot: Snapshot, store: Store, typed: str) -> list[Choice]:
    """Captioning runs and their checkpoints, the package's captioner, or folders and files that continue a path."""
    if typed.startswith(("/", "~", ".")):
        return captioners_below(typed)
    choices = [Choice("demo", "the package's")]
    for run in snapshot.runs:
        if run.task == "caption":
            choices.append(Choice(f"{run.id}@last", f"{run.title}, newest checkpoint"))
            choices += [
                Choice(f"{run.id}@{entry.step}", f"{run.title}, step {entry.step:,}")
                for entry in store.find(run.id).checkpoints()
            ]
    return matching(choices, typed)
