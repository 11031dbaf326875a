"""Escape and the key after it in one packet of a slow line are two keys.

A terminal without Kitty's protocol sends Alt and a letter as Escape and the letter; Textual reads such a pair as one
key, and gives up Escape where it knows no key with Alt: Escape and Enter become Enter, Escape and 4 a cent sign.
"""

from collections.abc import Iterable

from textual import events
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.widget import Widget
from textual.widgets import Input

_ESCAPE = "\x1b"
_INTRODUCERS = "[O]P_^X"
"""What begins a sequence of the terminal after Escape; the parser says when nothing more of it comes."""
_WORD_KEYS = {"b": "ctrl+left", "f": "ctrl+right", "\x7f": "ctrl+w"}
"""Alt and these keys, as shells have them: a word back, a word on, delete a word. Terminals send Option and an arrow
so."""


class EscapeParser(XTermParser):
    """Textual's parser, which gives Escape and another key as two keys."""

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        pair = len(sequence) == 2 and sequence[0] == _ESCAPE and sequence[1] not in _INTRODUCERS
        if not (alt or pair):
            yield from super()._sequence_to_key_events(sequence)
        elif sequence[-1] in _WORD_KEYS:
            yield events.Key(f"alt+{sequence[-1]}", sequence[-1])
        else:
            yield events.Key("escape", _ESCAPE)
            if sequence[-1] != _ESCAPE:
                yield from super()._sequence_to_key_events(sequence[-1])


def read_escape_by_itself() -> None:
    """Lets the terminal's input be read by `EscapeParser`; call it before the app runs."""
    vars(linux_driver)["XTermParser"] = EscapeParser


def meant(event: events.Key, focused: Widget | None) -> list[events.Key]:
    """What a key means where it is pressed: with Alt a move by words in a line of text, elsewhere two keys."""
    character = event.key.removeprefix("alt+")
    if not event.key.startswith("alt+") or character not in _WORD_KEYS:
        return [event]
    if isinstance(focused, Input):
        return [events.Key(_WORD_KEYS[character], None)]
    name = "backspace" if character == "\x7f" else character
    return [events.Key("escape", _ESCAPE), events.Key(name, character)]
