"""The captions screen's questions: a caption, and which captioner."""

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from screens.paths import captioners_below
from screens.snapshot import Snapshot
from screens.typed_work import FormDialog
from screens.widgets.picker import Choice, matching
from screens.widgets.word_line import WordLine
from vitbench.runs.store import Store


class CaptionDialog(FormDialog[str]):
    """The caption to look at; empty lets the captioner write its own again."""

    def __init__(self, caption: str) -> None:
        super().__init__()
        self._caption = caption
        self._vocabulary: Sequence[str] = ()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text("Look at this caption (empty: the captioner's own)"), classes="words")
            yield WordLine(self._caption, id="caption-line")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).focus()
        self.query_one(WordLine).offer(self._vocabulary)

    def offer(self, vocabulary: Sequence[str]) -> None:
        """Tab completes these words, once they are known."""
        self._vocabulary = vocabulary
        if self.is_mounted:
            self.query_one(WordLine).offer(vocabulary)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.dismiss(self.query_one(WordLine).value)


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
