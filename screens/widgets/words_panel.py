"""Lines of plain words that scroll by key, in place of something else on a screen."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from vitbench.text import clean


class WordsPanel(VerticalScroll, can_focus=True):
    """Shown while it has something to say."""

    DEFAULT_CSS = """
    WordsPanel { display: none; height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    WordsPanel Static { height: auto; width: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Static()

    def show(self, lines: Sequence[str]) -> None:
        """Replaces the lines; they are data, and no markup."""
        text = Text("\n".join(map(clean, lines)), self.app.theme_variables["foreground"])
        self.query_one(Static).update(text)
