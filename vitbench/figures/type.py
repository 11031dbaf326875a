"""Letters on paper: one typeface and its sizes, measured in inches, wrapped and shortened to fit."""

import math
import warnings
from functools import cache
from typing import Any

from vitbench.text import clean

SIZE = 7.0
"""Points, at the width of a column: the least that journals take, so nothing is smaller."""
LINE = 1.28 * SIZE / 72
"""Inches from one line to the next."""
FAMILY = "DejaVu Sans"

SETTINGS: Any = {
    "font.family": [FAMILY],
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
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
    "image.composite_image": False,
}
"""matplotlib's settings while a figure is drawn and saved; Type 42 fonts can be searched and edited.

Pictures are not merged into one, which would draw them anew at another resolution."""


def literal(text: str) -> str:
    """Text from outside on one line, that matplotlib does not take for mathematics."""
    return clean(text).replace("$", r"\$")


@cache
def text_width(text: str, size: float = SIZE) -> float:
    """The width of a line in inches, of type of `size` points; characters that the typeface lacks count as an em."""
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
                first = _fitting(line, width, size)
                lines.append(first)
                line = line[len(first) :]
        if line:
            lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), width, size)]
    return lines


def _fitting(word: str, width: float, size: float) -> str:
    """The beginning of a word that fits on a line: to the end of one of its parts (`01_`, `cat.`), where that is not
    too short."""
    fit = 1
    while fit + 1 < len(word) and text_width(word[: fit + 1], size) <= width:
        fit += 1
    joint = max(word.rfind(sign, 0, fit) for sign in "_-./") + 1
    return word[: joint if 3 * joint >= fit else fit]


def ends(low: float, high: float, width: float) -> tuple[str, str]:
    """The numbers at both ends of a scale in `width` inches: as many digits as there is room for, up to three that
    count over the span of the scale. The lower one is left out where not even one digit of each fits."""
    span = high - low
    found = number(low), number(high)
    for digits in (3, 2, 1):
        found = _over_span(low, span, digits), _over_span(high, span, digits)
        if sum(map(text_width, found)) + 0.06 <= width:
            return found
    return "", found[1]


def _over_span(value: float, span: float, digits: int) -> str:
    """A value with so many digits as tell `digits` of the span apart; what is 0 in these is 0."""
    if span <= 0:
        return number(value)
    unit = 10.0 ** (math.floor(math.log10(span)) + 1 - digits)
    rounded = round(value / unit) * unit
    if rounded == 0:
        return "0"
    if not 1e-3 <= max(abs(rounded), span) < 1e5:
        return f"{rounded:.{digits - 1}e}".replace("-", "−")
    plain = f"{rounded:.{max(0, -round(math.log10(unit)))}f}".replace("-", "−")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def number(value: float) -> str:
    """A number on an axis or a scale, with three digits that count."""
    if value == 0 or abs(value) < 1e-12:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.1e}"
