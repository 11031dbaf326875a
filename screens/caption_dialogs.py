"""The captions screen's questions: one of several, a sentence, and what to save where."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from screens.paths import captioners_below, typed_path
from screens.snapshot import Snapshot
from screens.widgets.picker import Choice, matching
from vitbench.runs.store import Store
from vitbench.text import clean

_CANCEL = Binding("escape", "cancel", "cancel")


class ChooseDialog(ModalScreen[int | None]):
    """One of several lines; the answer is its number."""

    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL]

    def __init__(self, question: str, lines: Sequence[str], chosen: int = 0) -> None:
        super().__init__()
        self._question, self._lines, self._chosen = question, lines, chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text(clean(self._question)), classes="words")
            yield OptionList(*(Option(Text(clean(line))) for line in self._lines), compact=True)

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = self._chosen
        options.focus()

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

    def action_cancel(self) -> None:
        self.dismiss(None)


class SentenceDialog(ModalScreen[str | None]):
    """The sentence to look at; empty lets the captioner write its own again."""

    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL]

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self._sentence = sentence

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text("Look at this sentence (empty: the captioner's own)"), classes="words")
            yield Input(self._sentence, id="sentence-line", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        self.dismiss(None)


class SaveDialog(ModalScreen[tuple[str, Path] | None]):
    """What to save (grid, panel, arrays), and into which folder."""

    BINDINGS: ClassVar[list[BindingType]] = [_CANCEL]

    def __init__(self, folder: Path, word: str) -> None:
        super().__init__()
        self._folder, self._word = folder, word

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text("Save into the folder"), classes="words")
            yield Input(str(self._folder), id="folder-line", compact=True)
            yield OptionList(
                Option("Grid    the picture, then a panel for each word (PNG)", id="grid"),
                Option(Text(f"Panel   this word, {clean(self._word)} (PNG)"), id="panel"),
                Option("Arrays  attention of all layers and heads, words, probabilities (NPZ)", id="arrays"),
                compact=True,
            )

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        folder = typed_path(self.query_one(Input).value.strip() or ".").absolute()
        self.dismiss((event.option_id or "grid", folder))

    def action_cancel(self) -> None:
        self.dismiss(None)


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
