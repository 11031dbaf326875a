"""Text from outside (labels, paths, log lines, captions) is data: never markup, never escape codes."""

import re

_ESCAPE_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]"
)

_BUT_LINES = re.compile(_CONTROL_CHARACTERS.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))

SINGLE_PRECISION = 1e-7
"""Relative differences below it are float32's own rounding."""


def clean(text: str) -> str:
    """One line of `text`, safe to print: terminal escape sequences removed, control characters made spaces.

    Line breaks become spaces; direction overrides, which can disguise a file name, go too.
    """
    return _CONTROL_CHARACTERS.sub(" ", _ESCAPE_SEQUENCES.sub("", text))


def clean_lines(text: str) -> str:
    """As `clean`, for a text of several lines: line breaks and tabs stay."""
    return _BUT_LINES.sub(" ", _ESCAPE_SEQUENCES.sub("", text))


def shortened(text: str, longest: int = 300) -> str:
    """The text with its middle left out if it is long: a name of 5,000 characters hides what a message says."""
    return text if len(text) <= longest else f"{text[: longest // 2]}...{text[-longest // 2 :]}"


def counted(number: int, word: str) -> str:
    """`1 picture`, `1,234 pictures`, `2 patches`."""
    if number == 1:
        return f"1 {word}"
    return f"{number:,} {word}" + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def size_in_words(size: float) -> str:
    """A number of bytes as a person reads it: `12 kB`, `3.4 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def small_error(error: float) -> str:
    """A relative error with one digit that counts; what single precision cannot tell from 0 is not called 0."""
    return f"{error:.0e}" if error >= SINGLE_PRECISION else f"below {SINGLE_PRECISION:.0e}"


def split_name(split: str) -> str:
    """A split of data as people call it: `val` is the validation split; another one has its own name."""
    return {"val": "validation split", "train": "training split"}.get(split, f"{split} split")
