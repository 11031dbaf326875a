"""A question of any screen whose answers are listed as one types: a network, a class, a file or folder."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from screens.look import glyphs
from screens.typed_work import FormDialog
from screens.widgets.picker import Choice, Picker, Source, matching
from vitbench.text import clean


class AskDialog(FormDialog[str]):
    """A line with a list below it that is there at once and shrinks to what fits.

    With `free`, Enter takes what was typed where nothing in the list is lit, such as a path; else only what is listed.
    An empty line is an answer only where `empty` says what it means.
    """

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
        """Of a list that is filtered, all is shown again before it is left."""
        if self._free or not self.query_one(Picker).clear():
            super().action_cancel()


def choose(question: str, choices: Sequence[Choice]) -> AskDialog:
    """A list to choose from; typing filters it, and nothing else can be taken."""
    return AskDialog(question, lambda typed: matching(choices, typed), free=False)


class ChooseSeveral(ModalScreen[None]):
    """A list of which several entries are taken: Enter takes one in or out, which shows at once; Esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "close")]

    def __init__(
        self,
        question: str,
        choices: Sequence[Choice],
        chosen: Sequence[str],
        most: int,
        changed: Callable[[list[str]], object],
    ) -> None:
        """`changed` is called with the values that are taken now, in the order in which they were taken."""
        super().__init__()
        self._question, self._choices, self._most, self._changed = question, choices, most, changed
        self.chosen = list(chosen)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(Text(clean(self._question)), classes="words")
            yield Picker("", self._entries, id="asked", always_open=True, free=False, several=True)
            yield Static(id="several-problem")

    def _entries(self, typed: str) -> list[Choice]:
        sign = glyphs().marked
        return [
            Choice(choice.value, choice.note, shown=f"{sign if choice.value in self.chosen else ' '} {choice.words}")
            for choice in matching(self._choices, typed)
        ]

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Picker.Accepted)
    def _accepted(self, message: Picker.Accepted) -> None:
        if message.value in self.chosen:
            problem = "At least one has to stay." if len(self.chosen) == 1 else ""
            after = [value for value in self.chosen if value != message.value]
        else:
            problem = f"At most {self._most}: take one out first." if len(self.chosen) >= self._most else ""
            after = [*self.chosen, message.value]
        self.query_one("#several-problem", Static).update(Text(problem, self.app.theme_variables["warning"]))
        if not problem:
            self.chosen = after
            self._changed(list(after))
            self.query_one(Picker).refill()

    def action_close(self) -> None:
        """Takes away what filters the list, then closes."""
        if not self.query_one(Picker).clear():
            self.dismiss()
