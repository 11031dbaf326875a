"""The line that says what is being done, what was saved or why something failed; long sentences are wrapped."""

from rich.text import Text
from textual.app import RenderResult

from screens.widgets.lines import TextLine


class Note(TextLine):
    """A line that may take several rows. `least` are always kept for it, so that what is above does not jump."""

    DEFAULT_CSS = "Note { height: auto; max-height: 6; width: 1fr; }"

    def __init__(self, *, id: str | None = None, least: int = 2) -> None:
        super().__init__(id=id)
        self.least = least
        self.styles.min_height = least

    def show(self, left: Text, right: Text | None = None) -> None:
        """Replaces the words; the rest of the screen moves only if they need more rows than before."""
        before = len(self._rows())
        super().show(left, right)
        if max(self.least, len(self._rows())) != max(self.least, before):
            self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many rows as the words take in this width."""
        return max(1, len(self._rows(width)))

    def render(self) -> RenderResult:
        """The rows, each indented by one cell."""
        return Text("\n", end="").join(self._rows())

    def _rows(self, width: int = 0) -> list[Text]:
        room = max(8, (width or self.size.width) - 2)
        rows = [row for line in self._left.split("\n") for row in line.wrap(self.app.console, room, overflow="fold")]
        return [Text.assemble(" ", row) for row in rows]
