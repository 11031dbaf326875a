"""Searching a list, a table or a log with `/`: what can be searched, and the line in which one types."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.actions import bindings


class Searchable(Widget):
    """A widget of numbered lines. Subclasses say what the lines are and how one of them is brought into view."""

    BINDINGS = bindings("found")

    pattern = ""
    """What is searched for, in lower case; empty while nothing is."""
    matches: tuple[int, ...] = ()
    """The lines in which it occurs."""
    match: int | None = None
    """The line that the search is at."""

    def searched(self) -> Sequence[str]:
        """The lines, as people read them."""
        raise NotImplementedError  # each widget has its own

    def first_searched(self) -> int:
        """The line at which a new search begins."""
        return 0

    def reveal(self, line: int) -> None:
        """Brings a line into view."""
        raise NotImplementedError  # each widget has its own

    def search(self, pattern: str) -> None:
        """Goes to the first line at or after the present one in which `pattern` occurs, in any case."""
        began = self.first_searched() if self.match is None else self.match
        self.pattern, self.match = pattern.lower(), None
        self.search_again()
        if self.matches:
            self._go(next((line for line in self.matches if line >= began), self.matches[0]))
        self.refresh()

    def search_again(self) -> None:
        """The lines are others: looks for the same in them."""
        lines = self.searched() if self.pattern else ()
        self.matches = tuple(number for number, line in enumerate(lines) if self.pattern in line.lower())
        if self.match is not None and self.match not in self.matches:
            self.match = None

    def action_next_found(self, step: int) -> None:
        """The next match or the one before, round the ends."""
        if self.matches:
            at = self.matches.index(self.match) if self.match in self.matches else -1 if step > 0 else 0
            self._go(self.matches[(at + step) % len(self.matches)])
            if line := next(iter(self.screen.query(SearchLine)), None):
                line.show_place()

    def _go(self, line: int) -> None:
        self.match = line
        self.reveal(line)
        self.refresh()

    def action_end_search(self) -> None:
        """Takes the search away."""
        if line := next(iter(self.screen.query(SearchLine)), None):
            line.end()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of a search work while there is one."""
        if action in ("next_found", "end_search"):
            return bool(self.pattern)
        return super().check_action(action, parameters)

    def marked(self, text: str, style: Style) -> list[Segment]:
        """A text in a style, with what is searched for standing out."""
        low = text.lower()
        if not self.pattern or len(low) != len(text):  # lower case of some letters is longer
            return [Segment(text, style)]
        parts, start = [], 0
        while (found := low.find(self.pattern, start)) >= 0:
            parts += [Segment(text[start:found], style)] if found > start else []
            start = found + len(self.pattern)
            parts.append(Segment(text[found:start], style + Style(reverse=True)))
        return [*parts, Segment(text[start:], style)]


class SearchInput(Input):
    """What is searched for."""

    BINDINGS = bindings("search")

    def action_next_found(self, step: int) -> None:
        """The next match while one types."""
        self.query_ancestor(SearchLine).next(step)

    def action_end_search(self) -> None:
        """Takes the search away."""
        self.query_ancestor(SearchLine).end()


class SearchLine(Horizontal):
    """The line of a search, hidden without one: what is searched for, and which match of how many is shown."""

    DEFAULT_CSS = """
    SearchLine { height: 1; display: none; background: $panel; }
    SearchLine #search-sign { width: 3; color: $accent; padding: 0 1; }
    SearchLine #search-typed { width: 1fr; }
    SearchLine #search-place { width: auto; color: $secondary; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._target: Searchable | None = None
        self._before: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static("/", id="search-sign")
        yield SearchInput(placeholder="a part of a line; up and down go from match to match", id="search-typed")
        yield Static(id="search-place")

    def on_mount(self) -> None:
        """A screen gives the focus to the first that may have it, also to what is hidden."""
        self.query_one(SearchInput).can_focus = False

    def open(self, target: Searchable) -> None:
        """Begins a search, or goes on with the one that there is."""
        if target is not self._target:
            self.end()
        focused = self.screen.focused
        inside = focused is not None and target in focused.ancestors_with_self
        self._target, self._before = target, focused if inside else target
        self.display = True
        line = self.query_one(SearchInput)
        line.can_focus = True
        line.focus()

    def end(self) -> None:
        """Takes the search away, and gives the focus back."""
        target, self._target = self._target, None
        if target is None:
            return
        had_focus = self.query_one(SearchInput).has_focus
        self.display = self.query_one(SearchInput).can_focus = False
        with self.prevent(Input.Changed):
            self.query_one(SearchInput).value = ""
        target.search("")
        target.refresh_bindings()
        if had_focus and self._before is not None:
            self._before.focus()

    def next(self, step: int) -> None:
        """The next match, or the one before."""
        if self._target is not None:
            self._target.action_next_found(step)

    def show_place(self) -> None:
        """Says which match is shown."""
        target = self._target
        words, colour = "", "secondary"
        if target is not None and target.pattern:
            count = len(target.matches)
            at = target.matches.index(target.match) + 1 if target.match in target.matches else 0
            words = f"{at} of {count:,}" if at else f"{count:,} found"
            if not count:
                words, colour = "found nowhere", "warning"
        self.query_one("#search-place", Static).update(Text(words, self.app.theme_variables[colour]))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._target is not None:
            self._target.search(event.value.strip())
            self.show_place()

    @on(Input.Submitted)
    def _keep(self, event: Input.Submitted) -> None:
        """Back to what is searched; without a word, nothing is."""
        event.stop()
        if not event.value.strip():
            self.end()
        elif self._before is not None:
            self._before.focus()
            self._before.refresh_bindings()
