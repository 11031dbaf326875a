"""Letters on paper: one typeface and its sizes, measured in inches, wrapped and shortened to fit."""

import textwrap
import warnings
from functools import cache
from typing import Any

from vitbench.text import clean

SIZE = 7.0
"""Points, at the width of a column."""
SMALL = 6.0
LINE = 1.28 * SIZE / 72
"""Inches from one line to the next."""
SMALL_LINE = 1.28 * SMALL / 72
FAMILY = "DejaVu Sans"

SETTINGS: Any = {
    "font.family": [FAMILY],
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.0,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "vitbench",
}
"""matplotlib's settings while a figure is drawn and saved; Type 42 fonts can be searched and edited."""


def literal(text: str) -> str:
    """Text from outside on one line, that matplotlib does not take for mathematics."""
    return clean(text).replace("$", r"\$")


@cache
def text_width(text: str, size: float = SIZE) -> float:
    """The width of a line in inches; characters that the typeface lacks count as an em."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    known = "".join(character for character in text if ord(character) < 0x2E80)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        wide, _, _ = text_to_path.get_text_width_height_descent(known, FontProperties(family=FAMILY, size=size), False)
    return float(1.03 * wide / 72 + (len(text) - len(known)) * size / 72)  # hinting widens letters


def shortened(text: str, width: float, size: float = SIZE) -> str:
    """The text, its end replaced by dots where it is wider than `width` inches."""
    if text_width(text, size) <= width:
        return text
    while len(text) > 1 and text_width(text + "…", size) > width:
        text = text[:-1].rstrip()
    return text + "…"


def wrapped(text: str, width: float, most: int = 1000, size: float = SIZE) -> list[str]:
    """Lines of at most `width` inches, `most` of them, the last one shortened; line breaks of `text` are kept."""
    lines: list[str] = []
    for part in text.splitlines():
        line = ""
        for word in clean(part).split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size) > width:
                lines.append(line)
                line = word
            else:
                line = longer
            while text_width(line, size) > width and len(line) > 1:  # a word longer than a line
                room = max(1, int(len(line) * width / text_width(line, size)) - 1)
                pieces = textwrap.wrap(line, room, break_long_words=True) or [line]
                if len(pieces) == 1:
                    break
                lines.append(pieces[0])
                line = line[len(pieces[0]) :].lstrip()
        if line:
            lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), width, size)]
    return lines


def number(value: float) -> str:
    """A number on an axis or a scale, with three digits that count."""
    if value == 0 or abs(value) < 1e-12:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.1e}"
