"""Lines of plain words that scroll by key, in place of something else on a screen."""

import textwrap
from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import ScrollableContainer
from textual.widgets import Static

from vitbench.text import clean


class WordsPanel(ScrollableContainer, can_focus=True):
    """Shown while it has something to say. Sentences are wrapped; a row of a table keeps its columns, and scrolls."""

    DEFAULT_CSS = """
    WordsPanel { display: none; height: 1fr; padding: 0 1; scrollbar-size: 1 1; }
    WordsPanel Static { height: auto; width: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, lines: Sequence[str]) -> None:
        """Replaces the lines; they are data, and no markup."""
        self._lines = tuple(map(clean, lines))
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        room = max(20, self.size.width - 2)
        wrapped = [piece for line in self._lines for piece in _pieces(line, room)]
        self.query_one(Static).update(Text("\n".join(wrapped), self.app.theme_variables["foreground"], no_wrap=True))


def _pieces(line: str, room: int) -> list[str]:
    """A line as it is where it fits or has columns, which two blanks between words tell; else in lines of `room`."""
    words = line.lstrip()
    if len(line) <= room or "  " in words:
        return [line]
    indent = " " * (len(line) - len(words))
    return textwrap.wrap(words, room, initial_indent=indent, subsequent_indent=indent + "  ") or [line]
