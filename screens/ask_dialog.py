"""A question of any screen whose answers are listed as one types: a network, a class, a file or folder."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from screens.widgets.picker import Picker, Source
from vitbench.text import clean


class AskDialog(ModalScreen[str | None]):
    """A line with a list of what fits; Enter on a line without a list takes it.

    An empty line is an answer only where `empty` says what it means.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, question: str, source: Source, value: str = "", *, label: str = "Open", empty: str = "") -> None:
        super().__init__()
        self._question, self._source, self._value = question, source, value
        self._label, self._empty = label, empty

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text(clean(self._question)), classes="words")
            yield Picker(self._label, self._source, self._value, self._empty, id="asked")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Picker.Accepted)
    def _accepted(self, message: Picker.Accepted) -> None:
        if message.value or self._empty:
            self.dismiss(message.value)

    def action_cancel(self) -> None:
        self.dismiss(None)
