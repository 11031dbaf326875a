"""Colours that everyone can tell apart, and signs that every terminal has."""

from itertools import combinations

import numpy as np
import pytest

from screens.look import (
    ASCII,
    SERIES_ON_DARK,
    SERIES_ON_LIGHT,
    STATE_COLOURS,
    THEMES,
    UNICODE,
    StableNumbers,
    wants_ascii,
)
from screens.widgets.chart_drawing import ascii_text

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB under D65."""
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = matrix @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("palette", "background"), [(SERIES_ON_DARK, "#11161c"), (SERIES_ON_LIGHT, "#f7f8fa")])
def test_series_are_told_apart(vision: str, palette: tuple[str, ...], background: str) -> None:
    seen = [lab(VISION[vision] @ linear(colour)) for colour in palette]
    # A difference of 2.3 is just noticeable; thin lines of dots need several times that.
    least = min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))
    assert least > 9, f"two series are only {least:.1f} apart with {vision}"
    first_four = min(np.linalg.norm(a - b) for a, b in combinations(seen[:4], 2))
    assert first_four > 16
    ground = lab(VISION[vision] @ linear(background))
    assert min(np.linalg.norm(colour - ground) for colour in seen) > 30


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_words_stand_out_from_the_background(theme) -> None:
    """WCAG 2.1, contrast ratio: 4.5 for text."""

    def luminance(colour: str) -> float:
        return float(linear(colour) @ np.array([0.2126, 0.7152, 0.0722]))

    for name in ("foreground", "secondary", "primary", "accent", "success", "warning", "error"):
        for ground in (theme.background, theme.surface):
            light, dark = sorted([luminance(getattr(theme, name)), luminance(ground)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4.5, (name, ground)


@pytest.mark.parametrize(
    ("environment", "ascii_wanted"),
    [
        ({}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C.utf8"}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LC_CTYPE": "UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "C", "VITBENCH_ASCII": "0"}, False),
        ({"LANG": "en_US.UTF-8", "VITBENCH_ASCII": "1"}, True),
        ({"TERM": "vt100", "LANG": "en_US.UTF-8"}, True),
    ],
)
def test_ascii_is_chosen_by_the_environment(environment: dict[str, str], ascii_wanted: bool) -> None:
    assert wants_ascii(environment) is ascii_wanted


def test_ascii_signs_are_ascii_and_one_cell() -> None:
    for name, sign in vars(ASCII).items():
        for text in sign.values() if name == "states" else [sign] if isinstance(sign, str) else []:
            assert text.isascii()
    assert ASCII.states.keys() == UNICODE.states.keys() == STATE_COLOURS.keys()


def test_ascii_cells_say_where_the_dots_are() -> None:
    dots = np.array([[0x00, 0x01 | 0x08, 0x40 | 0x80, 0xFF, 0x02 | 0x20]], np.uint8)
    assert ascii_text(dots) == [" '.|-"]


def test_a_key_keeps_its_number() -> None:
    numbers = StableNumbers()
    assert [numbers.number(key) for key in ("b", "a", "b", "c", "a")] == [0, 1, 0, 2, 1]
