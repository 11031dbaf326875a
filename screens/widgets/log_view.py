"""The log of a run: follows its end until a person scrolls up; can point at the line of a moment."""

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens import wording
from screens.widgets.searching import Searchable
from vitbench.runs.log import LogLine
from vitbench.text import clean

_LEVEL_COLOURS = {"warning": "warning", "error": "error", "critical": "error"}


class LogView(ScrollView, Searchable, can_focus=True):
    """Lines with time, step and text; only what is visible is ever drawn.

    With `wraps` a line takes as many rows as it needs; without, what does not fit is cut, where room is short.
    """

    DEFAULT_CSS = "LogView { background: $background; overflow-x: hidden; scrollbar-size-vertical: 1; height: 1fr; }"

    def __init__(self, *, wraps: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: tuple[LogLine, ...] = ()
        self._wraps = wraps
        self._rows: list[tuple[int, str]] = []
        """Number of a line, and what of it stands in this row."""
        self._first_rows: list[int] = []
        """For each line its first row."""
        self.pointed: int | None = None
        self.empty_text = "no log yet"

    def show(self, lines: tuple[LogLine, ...]) -> None:
        """Replaces the lines; stays at the end if it was there."""
        if lines is self.lines or lines == self.lines:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1
        self.lines = lines
        self._lay_out()
        if self.pointed is not None:
            self.pointed = None
        self.search_again()
        if at_end and not self.pattern:
            self.scroll_end(animate=False)
        self.refresh()

    def searched(self) -> Sequence[str]:
        return [f"{_head(line)} {line.text}" for line in self.lines]

    def first_searched(self) -> int:
        row = int(self.scroll_offset.y)
        return self._rows[row][0] if row < len(self._rows) else 0

    def reveal(self, line: int) -> None:
        self.scroll_to(y=max(0, self._first_rows[line] - self.size.height // 2), animate=False)

    def _lay_out(self) -> None:
        """Which rows there are."""
        self._rows, self._first_rows = [], []
        for number, line in enumerate(self.lines):
            self._first_rows.append(len(self._rows))
            text, room = clean(line.text), self._room(line)
            # A line of mostly ASCII that fits is not measured: there are tens of thousands.
            parts = [text]
            if self._wraps and room > 0 and (len(text) > room or not text.isascii()) and cell_len(text) > room:
                parts = [part.plain.rstrip() for part in Text(text).wrap(self.app.console, room, overflow="fold")]
            self._rows += [(number, part) for part in parts]
        self.virtual_size = Size(self.size.width, len(self._rows))

    def _room(self, line: LogLine) -> int:
        """Cells of a row for the text of a line."""
        return self.scrollable_content_region.width - len(_head(line)) - 1

    def point_at(self, step: float | None) -> LogLine | None:
        """Marks the last line written at or before a step, and scrolls to it. None takes the mark away."""
        index = None
        if step is not None:
            index = next((i for i in range(len(self.lines) - 1, -1, -1) if self.lines[i].step <= step), None)
        if index != self.pointed:
            self.pointed = index
            if index is None:
                self.scroll_end(animate=False)
            else:
                self.reveal(index)
            self.refresh()
        return None if index is None else self.lines[index]

    def selected_text(self) -> str:
        """The line that a search has found or the chart's cursor points at, else the newest."""
        if not self.lines:
            return ""
        chosen = self.pointed if self.match is None else self.match
        return self.lines[-1 if chosen is None else chosen].text

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        row = int(self.scroll_offset.y) + y
        base = self.rich_style
        faint = base + Style(color=self._colour("secondary"))
        if row >= len(self._rows):
            text = self.empty_text if not self.lines and y == 0 else ""
            return Strip([Segment(wording.fit(text, self.size.width), faint)])
        index, text = self._rows[row]
        line = self.lines[index]
        strong = base + Style(color=self._colour(_LEVEL_COLOURS.get(line.level.lower(), "foreground")))
        if index in (self.pointed, self.match):
            back = Style(bgcolor=self._colour("block-cursor-background"))
            base, faint, strong = base + back, faint + back, strong + back
        head = _head(line)
        if row != self._first_rows[index]:
            head = " " * len(head)
        words = self.marked(wording.fit(text, max(1, self._room(line))), strong)
        return Strip([*self.marked(head + " ", faint), *words]).crop(0, self.size.width)

    def on_resize(self) -> None:
        self._lay_out()
        if self.pointed is None and not self.pattern:
            self.scroll_end(animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()

    def _colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).hex6


def _head(line: LogLine) -> str:
    """Time and step of a line."""
    clock = datetime.fromtimestamp(line.time).strftime("%H:%M:%S") if line.time else ""
    return f"{clock} {line.step:>7,} "
