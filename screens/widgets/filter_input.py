"""A line to type in whose arrow keys go to the list that it filters, while the line keeps the focus."""

from collections.abc import Callable
from typing import Any

from textual import events
from textual.widgets import Input

KEYS = ("down", "up", "pagedown", "pageup")


class FilterInput(Input):
    """`moves` is called with the name of each key of `KEYS`; for the rest it is an Input."""

    def __init__(self, value: str = "", *, moves: Callable[[str], object], **named: Any) -> None:
        """`named` are further arguments of an Input, such as `placeholder` and `id`."""
        super().__init__(value, **named)
        self._moves = moves

    def on_key(self, event: events.Key) -> None:
        if event.key in KEYS:
            self._moves(event.key)
            event.stop()
            event.prevent_default()
