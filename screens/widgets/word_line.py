"""A line of words from a vocabulary: what the word before the cursor may become stands below, and Tab takes it."""

import re
from collections.abc import Sequence

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from screens.widgets.lines import TextLine
from vitbench.text import clean

_BEGUN = re.compile(r"[\w'’-]+$")
_SHOWN = 8


class _Line(Input):
    """Hands Tab to the line of words, which may have a completion for it."""

    def on_key(self, event: events.Key) -> None:
        if event.key == "tab" and self.query_ancestor(WordLine).complete():
            event.stop()
            event.prevent_default()


class WordLine(Vertical):
    """An Input with completions from `vocabulary`, the first words first; Tab again takes the next one."""

    DEFAULT_CSS = """
    WordLine { height: auto; }
    WordLine TextLine { display: none; margin-bottom: 1; }
    """

    def __init__(self, value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._first = value
        self.vocabulary: Sequence[str] = ()
        self._offered: list[str] = []
        self._start = 0
        """Where the word begins that is completed."""
        self._cursor = 0
        """Where the cursor was then."""
        self._taken = -1
        self._made = ""
        """The line as the last completion has left it."""

    def compose(self) -> ComposeResult:
        yield _Line(self._first, compact=True, id=f"{self.id}-input")
        yield TextLine()

    @property
    def value(self) -> str:
        """What stands in the line."""
        return self.query_one(Input).value.strip()

    def offer(self, vocabulary: Sequence[str]) -> None:
        """From now on these words are completed."""
        self.vocabulary = vocabulary
        self._look()

    def complete(self) -> bool:
        """Takes the next completion into the line; False where none is shown."""
        line = self.query_one(Input)
        if line.cursor_position != self._cursor:
            self._look()  # the arrows have gone to another word
        if not self._offered:
            return False
        before = line.value[: self._start]
        behind = line.value[line.cursor_position :]
        self._taken = (self._taken + 1) % len(self._offered)
        word = self._offered[self._taken]
        self._made = f"{before}{word}{behind}"
        line.value = self._made
        line.cursor_position = self._cursor = len(before) + len(word)
        self._show()
        return True

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        if event.value != self._made:
            self._look()

    def _look(self) -> None:
        line = self.query_one(Input)
        self._made, self._taken, self._cursor = "", -1, line.cursor_position
        begun = _BEGUN.search(line.value[: line.cursor_position])
        self._start = begun.start() if begun is not None else 0
        word = begun[0].lower() if begun is not None else ""
        self._offered = [one for one in self.vocabulary if one.startswith(word) and one != word] if word else []
        self._show()

    def _show(self) -> None:
        shown = self.query_one(TextLine)
        shown.display = bool(self._offered)
        colours = self.app.theme_variables
        first = max(0, min(self._taken, len(self._offered) - _SHOWN))
        text = Text("Tab: ", colours["secondary"])
        for place, word in enumerate(self._offered[first : first + _SHOWN], first):
            text.append(f"{clean(word)}  ", colours["accent" if place == self._taken else "foreground"])
        more = len(self._offered) - first - _SHOWN
        text.append(f"+{more:,}" if more > 0 else "", colours["secondary"])
        shown.show(text)
