"""Text from outside made safe, and numbers as people read them."""

import pytest

from vitbench.text import clean, small_error


@pytest.mark.parametrize(
    ("error", "words"),
    [(0.0, "below 1e-07"), (9.9e-8, "below 1e-07"), (2.64e-7, "3e-07"), (4.5e-3, "4e-03"), (0.4, "4e-01")],
)
def test_an_error_that_single_precision_cannot_tell_from_zero_is_not_called_zero(error, words):
    assert small_error(error) == words


def test_escape_sequences_and_line_breaks_go():
    assert clean("a\x1b[31mb\nc") == "ab c"
