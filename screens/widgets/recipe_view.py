"""A recipe as it was frozen: tables, keys and values, with the explanation of each key beside it."""

from collections.abc import Sequence

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
from vitbench.text import clean


class RecipeView(ScrollView, Searchable, can_focus=True):
    """The text of a `recipe.toml`, quiet where it explains; explanations wrap beside their keys."""

    DEFAULT_CSS = "RecipeView { padding: 0 1; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[tuple[str, str]] = []
        """Setting and explanation of each line of the recipe."""
        self._rows: list[tuple[int, str, str]] = []
        """What is drawn: the number of the line, its setting in the first row, and a piece of its explanation."""

    def show(self, recipe: str) -> None:
        """Replaces the recipe."""
        pairs = [line.partition("  # ")[::2] for line in recipe.splitlines()]
        self._lines = [(_said(clean(setting).rstrip()), clean(comment)) for setting, comment in pairs]
        self.search_again()
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _width(self) -> int:
        """Cells of the column of settings."""
        return min(max((cell_len(setting) for setting, _ in self._lines), default=0), max(20, self.size.width // 2))

    def _lay_out(self) -> None:
        room = max(20, self.scrollable_content_region.width - self._width() - 2)
        self._rows = []
        for number, (setting, comment) in enumerate(self._lines):
            pieces = [piece.plain for piece in Text(comment).wrap(self.app.console, room)] if comment else [""]
            self._rows += [(number, setting if index == 0 else "", piece) for index, piece in enumerate(pieces)]
        self.virtual_size = Size(self.size.width, len(self._rows))
        self.refresh()

    def searched(self) -> Sequence[str]:
        return [f"{setting}  {comment}" for setting, comment in self._lines]

    def first_searched(self) -> int:
        top = int(self.scroll_offset.y)
        return self._rows[top][0] if top < len(self._rows) else 0

    def reveal(self, line: int) -> None:
        row = next((row for row, (number, *_) in enumerate(self._rows) if number == line), 0)
        self.scroll_to(y=max(0, row - self.size.height // 2), animate=False)

    def render_line(self, y: int) -> Strip:
        """One row."""
        index = int(self.scroll_offset.y) + y
        base = self.rich_style
        if index >= len(self._rows):
            return Strip.blank(self.size.width, base)
        number, setting, comment = self._rows[index]
        if number == self.match:
            base += Style(bgcolor=self._colour("block-cursor-background"))
        quiet = base + Style(color=self._colour("secondary"))
        if setting.startswith("#"):
            text = setting.removeprefix("# ")
            text = wording.fit(text, self._width() + 2) if comment else text  # a key that is not set, or a remark
            return self._strip([*self.marked(text, quiet), *self.marked(comment, quiet)], base)
        if setting.startswith("["):
            return self._strip(self.marked(setting, base + Style(color=self._colour("accent"), bold=True)), base)
        key, equals, value = wording.fit(setting, self._width() + 2).partition("=")
        segments = self.marked(key + equals, base + Style(color=self._colour("primary")))
        segments += self.marked(value, base + Style(color=self._colour("foreground")))
        return self._strip([*segments, *self.marked(comment, quiet)], base)

    def _strip(self, segments: list[Segment], base: Style) -> Strip:
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()

    def _colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).hex6


def _said(setting: str) -> str:
    """A line of the file as it is shown: a key without a value says so, as the form of a new run does."""
    return f"{setting} not set" if setting.startswith("# ") and setting.endswith(" =") else setting
