"""Jump labels: a letter on each panel that can take the focus; pressing it goes there."""

from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

_LETTERS = "asdfghjklwertyuiopzxcvbnm"


def panels(screen: Screen[object]) -> list[Widget]:
    """The widgets that have a name, can take the focus and can be seen, from top to bottom."""
    found = [widget for widget in screen.focus_chain if widget.id and widget.region.area]
    return sorted(found, key=lambda widget: (widget.region.y, widget.region.x))


class JumpOverlay(ModalScreen[str | None]):
    """The letters, over the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._targets = dict(zip(_LETTERS, panels(below), strict=False))

    def compose(self) -> ComposeResult:
        for letter, widget in self._targets.items():
            label = Static(Text(f" {letter} ", Style(bold=True, reverse=True)), classes="jump-label")
            label.styles.offset = Offset(widget.region.x, widget.region.y)
            yield label

    def on_key(self, event: events.Key) -> None:
        target = self._targets.get(event.character or "")
        if target is not None:
            event.stop()
            self.dismiss(target.id)

    def action_cancel(self) -> None:
        self.dismiss(None)
