"""A question of any screen whose answers are listed as one types: a network, a class, a file or folder."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from screens.widgets.picker import Choice, Picker, Source, matching
from vitbench.text import clean


class AskDialog(ModalScreen[str | None]):
    """A line with a list below it that is there at once and shrinks to what fits.

    With `free`, Enter takes what was typed where nothing in the list is lit, such as a path; else only what is listed.
    An empty line is an answer only where `empty` says what it means.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(
        self,
        question: str,
        source: Source,
        value: str = "",
        *,
        label: str = "",
        empty: str = "",
        free: bool = True,
    ) -> None:
        super().__init__()
        self._question, self._source, self._value = question, source, value
        self._label, self._empty, self._free = label, empty, free

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text(clean(self._question)), classes="words")
            yield Picker(
                self._label, self._source, self._value, self._empty, id="asked", always_open=True, free=self._free
            )

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Picker.Accepted)
    def _accepted(self, message: Picker.Accepted) -> None:
        if message.value or self._empty:
            self.dismiss(message.value)

    def action_cancel(self) -> None:
        self.dismiss(None)


def choose(question: str, choices: Sequence[Choice]) -> AskDialog:
    """A list to choose from; typing filters it, and nothing else can be taken."""
    return AskDialog(question, lambda typed: matching(choices, typed), free=False)
