"""A caption as words under a cursor, with two bars under each: how spread its map is, and how high its peak."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from screens.look import glyphs
from vitbench.text import clean

_NARROWEST = 4
_GAP = 1
_ROWS = 3


@dataclass(frozen=True)
class WordCell:
    """A word: `entropy` 0 (one patch) to 1 (everywhere), `peak` as a multiple of the even map's."""

    text: str
    entropy: float
    peak: float


def wrapped(words: Sequence[WordCell], width: int) -> list[list[tuple[int, int, int]]]:
    """Lines of (number, first column, width) of the words."""
    lines: list[list[tuple[int, int, int]]] = [[]]
    column = 0
    for number, word in enumerate(words):
        wide = min(max(_NARROWEST, cell_len(word.text)), max(1, width))
        if column + wide > width and lines[-1]:
            lines.append([])
            column = 0
        lines[-1].append((number, column, wide))
        column += wide + _GAP
    return lines


def cut(text: str, width: int) -> str:
    """The text in exactly `width` cells."""
    shown = Text(text)
    shown.truncate(width, pad=True)
    return shown.plain


class WordsView(Widget):
    """Draws the words; `Moved` tells that another one was clicked."""

    DEFAULT_CSS = "WordsView { height: auto; max-height: 9; width: 1fr; }"

    class Moved(Message):
        """The cursor was put on a word."""

        def __init__(self, word: int) -> None:
            super().__init__()
            self.word = word

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.words: tuple[WordCell, ...] = ()
        self.cursor = 0
        self.marked: int | None = None

    def show(self, words: Sequence[WordCell], cursor: int, marked: int | None = None) -> None:
        """Replaces the words; `marked` is the one that others are compared with."""
        new = tuple(WordCell(clean(word.text), word.entropy, word.peak) for word in words)
        taller = [word.text for word in new] != [word.text for word in self.words]
        self.words, self.cursor, self.marked = new, cursor, marked
        self.refresh(layout=taller)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Three rows a line of words."""
        return max(1, _ROWS * len(wrapped(self.words, width)))

    def _visible(self) -> list[list[tuple[int, int, int]]]:
        """The lines that there is room for, that of the cursor among them."""
        lines = wrapped(self.words, self.size.width)
        room = max(1, self.size.height // _ROWS)
        here = next((n for n, line in enumerate(lines) if any(number == self.cursor for number, _, _ in line)), 0)
        first = max(0, min(here - room // 2, len(lines) - room))
        return lines[first : first + room]

    def render(self) -> RenderResult:
        """Words, bars of spread, bars of peak."""
        colours, signs = self.app.theme_variables, glyphs()
        highest = max((word.peak for word in self.words), default=0.0) or 1.0
        text = Text(no_wrap=True, end="")
        for line in self._visible():
            rows = (Text(no_wrap=True, end=""), Text(end=""), Text(end=""))
            for number, _, wide in line:
                word = self.words[number]
                style = Style(color=colours["foreground"])
                if number == self.cursor:
                    style = Style(
                        color=colours["block-cursor-foreground"], bgcolor=colours["block-cursor-background"], bold=True
                    )
                elif number == self.marked:
                    style = Style(color=colours["accent"], underline=True)
                rows[0].append(cut(word.text, wide), style)
                rows[1].append_text(_bar(word.entropy, wide, colours["primary"], colours["border"], signs.full))
                rows[2].append_text(_bar(word.peak / highest, wide, colours["accent"], colours["border"], signs.full))
                for row in rows:
                    row.append(" " * _GAP)
            for row in rows:
                text.append_text(row)
                text.append("\n")
        text.right_crop(1)
        return text

    def on_click(self, event: events.Click) -> None:
        lines = self._visible()
        line = event.y // _ROWS
        if line < len(lines):
            for number, first, wide in lines[line]:
                if first <= event.x < first + wide:
                    self.post_message(self.Moved(number))


def _bar(share: float, width: int, colour: str, quiet: str, sign: str) -> Text:
    full = round(min(1.0, max(0.0, share)) * width)
    if glyphs().ascii:
        return Text(sign * full + " " * (width - full), colour)
    return Text.assemble((sign * full, colour), (sign * (width - full), quiet))
