"""A recipe as it was frozen: tables, keys and values, with the explanation of each key beside it."""

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from vitbench.text import clean


class RecipeView(VerticalScroll, can_focus=True):
    """The text of a `recipe.toml`, quiet where it explains."""

    DEFAULT_CSS = "RecipeView { padding: 0 1; scrollbar-size-vertical: 1; }"

    def compose(self) -> ComposeResult:
        yield Static(id="recipe-text")

    def show(self, recipe: str) -> None:
        """Replaces the recipe."""
        self.query_one("#recipe-text", Static).update(self._styled(recipe))

    def _styled(self, recipe: str) -> Table:
        colours = self.app.theme_variables
        table = Table.grid(padding=(0, 2))
        for line in recipe.splitlines():
            setting, _, comment = line.partition("  # ")
            setting = clean(setting).rstrip()
            if setting.startswith("["):
                written = Text(setting, Style(color=colours["accent"], bold=True))
            elif setting.startswith("#"):
                written = Text(setting.removeprefix("# "), Style(color=colours["secondary"]))
            else:
                key, equals, value = setting.partition("=")
                written = Text.assemble((key + equals, colours["primary"]), (value, colours["foreground"]))
            table.add_row(written, Text(clean(comment), Style(color=colours["secondary"])))
        return table
