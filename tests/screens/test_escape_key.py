"""Escape and the key after it, read from one packet."""

import pytest
from textual.widgets import Input, Static

from screens.escape_key import EscapeParser, meant

ESCAPE = "\x1b"
KEYS = {"4": "4", "q": "q", "O": "O", "é": "é", "/": "slash", "?": "question_mark", " ": "space", "-": "minus"} | {
    "\r": "enter",
    "\t": "tab",
    "\x13": "ctrl+s",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "P": "P",
    "\x1b[A": "up",
    "\x1bOP": "f1",
}


def read(packet: str) -> list[str]:
    """The keys of what arrives together, when nothing more comes for a while."""
    parser = EscapeParser()
    events = list(parser.feed(packet))
    if parser._timeout_time is not None:
        parser._timeout_time = 0.0
        events += list(parser.tick())
    return [event.key for event in events]


@pytest.mark.parametrize(("sent", "name"), KEYS.items())
def test_escape_and_the_key_after_it_are_two_keys(sent, name):
    assert read(ESCAPE + sent) == ["escape", name]
    assert read("a" + ESCAPE + ESCAPE + sent) == ["a", "escape", "escape", name]


def test_keys_that_begin_with_escape_stay_one_key():
    assert read("\x1b[A\x1b[Z\x1b[3~\x1b[1;5C\x1bOQ") == ["up", "shift+tab", "delete", "ctrl+right", "f2"]
    assert read("\x1b[27u\x1b[120;3u") == ["escape", "alt+x"], "a terminal that says Alt means it"


def test_a_move_by_words_is_one_key_in_a_line_and_two_elsewhere():
    for sent, move, name in (("b", "ctrl+left", "b"), ("f", "ctrl+right", "f"), ("\x7f", "ctrl+w", "backspace")):
        (event,) = EscapeParser().feed(ESCAPE + sent)
        assert [key.key for key in meant(event, Input())] == [move]
        assert [key.key for key in meant(event, Static())] == ["escape", name]
        assert [key.key for key in meant(event, None)] == ["escape", name]
