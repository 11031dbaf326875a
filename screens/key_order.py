"""Keys act in the order in which they were typed, also when many arrive at once.

Textual hands each key to the widget that has the focus when the key arrives; a Tab among them moves the focus only
after its key has travelled up to the app, so the letters behind it would land in the field before it. Here the next
key is handed out only when the one before has done all that it does.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump

from screens.escape_key import meant

_LONGEST_WAIT = 2.0
"""Seconds after which the next key is handed out although the one before, which may wait for it, has not ended."""
_STILL_WAVES, _MOST_WAVES = 2, 12

Typed = events.Key | events.Paste


class KeyOrder:
    """Holds keys and pasted text back until what came before them has been dealt with."""

    def __init__(self, app: App[Any], hand_out: Callable[[Typed], Awaitable[None]]) -> None:
        """`hand_out` gives an event to the widget that has the focus now."""
        self._app, self._hand_out = app, hand_out
        self._waiting: deque[Typed] = deque()
        self._turn = 0
        self._guarded = 0
        self._busy = False

    async def add(self, event: Typed) -> None:
        """Takes an event in the order in which it was typed."""
        self._waiting.append(event)
        if not self._busy:
            await self._next()
        elif self._guarded != self._turn:
            self._guard()

    def _guard(self) -> None:
        """Sees to it that what waits is not held back for ever."""
        self._guarded = turn = self._turn
        self._app.set_timer(_LONGEST_WAIT, lambda: self._ended(turn))

    async def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        self._busy = True
        self._turn += 1
        turn = self._turn
        where = self._where()
        event = self._waiting.popleft()
        if isinstance(event, events.Key):
            event, *others = meant(event, self._app.focused)
            self._waiting.extendleft(reversed(others))
        if self._waiting:
            self._guard()
        await self._hand_out(event)
        self._wave(turn, where, _STILL_WAVES + 1)

    def _where(self) -> tuple[DOMNode, DOMNode | None]:
        """The uppermost screen, and what has the focus."""
        return self._app.screen, self._app.focused

    def _wave(self, turn: int, where: tuple[DOMNode, DOMNode | None], more: int, waves: int = 0) -> None:
        """Follows the key from the focus up to the app: each node answers once it has dealt with what came before.

        The first wave follows the key itself, which the app acts on when nobody else has; the others follow what that
        action has sent. A change of screen or focus asks for more of them.
        """
        screen, focused = where
        nodes: list[MessagePump] = [screen] if focused is None else [*focused.ancestors_with_self]
        if self._app not in nodes:
            nodes.append(self._app)

        def reach(index: int) -> None:
            if turn != self._turn:
                return
            while index < len(nodes):
                if nodes[index].call_later(reach, index + 1):
                    return
                index += 1  # it is closing, and takes no more messages
            now = self._where()
            left = _STILL_WAVES if now != where else more - 1
            if left > 0 and waves < _MOST_WAVES:
                self._wave(turn, now, left, waves + 1)
            else:
                self._app.call_later(self._ended, turn)

        reach(0)

    async def _ended(self, turn: int) -> None:
        if turn == self._turn and self._busy:
            await self._next()
