"""How the app looks: colours of series that everyone can tell apart, two calm themes, and signs with ASCII twins."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from textual.theme import Theme

from vitbench.figures.plots import SERIES_COLOURS
from vitbench.terminal_signs import wants_ascii

# Okabe and Ito (2008), "Color Universal Design", in an order in which neighbours differ most; lightened or darkened
# where a background would swallow them.
SERIES_ON_DARK = ("#56b4e9", "#e69f00", "#2fbf9b", "#c76bae", "#f0e442", "#e8703a", "#4f86d9", "#dbbab5")
SERIES_ON_LIGHT = SERIES_COLOURS

THEMES = (
    Theme(
        name="vitbench-dark",
        primary="#6cb6e3",
        secondary="#93a4b8",
        accent="#e0a458",
        success="#5fbf9a",
        warning="#e0b34c",
        error="#e07a6b",
        foreground="#d7dde4",
        background="#11161c",
        surface="#161c24",
        panel="#1d252f",
        dark=True,
        variables={
            "scrollbar": "#2d3946",
            "scrollbar-hover": "#3a4a5a",
            "scrollbar-active": "#6cb6e3",
            "scrollbar-background": "#161c24",
            "scrollbar-background-hover": "#161c24",
            "scrollbar-background-active": "#161c24",
            "scrollbar-corner-color": "#161c24",
            "border": "#2d3946",
            "border-blurred": "#222b35",
            "footer-key-foreground": "#e0a458",
            "footer-description-foreground": "#93a4b8",
            "footer-background": "#161c24",
            "block-cursor-background": "#27455c",
            "block-cursor-foreground": "#eef4f9",
            "block-cursor-text-style": "none",
            "input-cursor-background": "#d7dde4",
            "input-selection-background": "#6cb6e3 35%",
        },
    ),
    Theme(
        name="vitbench-light",
        primary="#0a6ea8",
        secondary="#5a6877",
        accent="#a05a00",
        success="#19774f",
        warning="#8a6400",
        error="#b3372a",
        foreground="#222a33",
        background="#f7f8fa",
        surface="#eff1f4",
        panel="#e4e8ed",
        dark=False,
        variables={
            "scrollbar": "#c3cbd4",
            "scrollbar-hover": "#aab5c0",
            "scrollbar-active": "#0a6ea8",
            "scrollbar-background": "#eff1f4",
            "scrollbar-background-hover": "#eff1f4",
            "scrollbar-background-active": "#eff1f4",
            "scrollbar-corner-color": "#eff1f4",
            "border": "#c3cbd4",
            "border-blurred": "#d8dde3",
            "footer-key-foreground": "#a05a00",
            "footer-description-foreground": "#4a5866",
            "footer-background": "#e9edf1",
            "block-cursor-background": "#c9e0f0",
            "block-cursor-foreground": "#101820",
            "block-cursor-text-style": "none",
            "input-cursor-background": "#222a33",
            "input-selection-background": "#0a6ea8 30%",
        },
    ),
)
DEFAULT_THEME = THEMES[0].name


def series_colour(number: int, dark: bool) -> str:
    """The colour of the series with this number; after eight they come again (with another dash)."""
    palette = SERIES_ON_DARK if dark else SERIES_ON_LIGHT
    return palette[number % len(palette)]


class StableNumbers:
    """Gives each key a number once and for all, so that a run keeps its colour while others come and go."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


@dataclass(frozen=True)
class Glyphs:
    """Every sign that is drawn and not typed; the ASCII twin serves terminals without Unicode."""

    ascii: bool
    states: Mapping[str, str]
    legend: str
    cursor: str
    grid: str
    nan: str
    point: str
    full: str
    empty: str
    spark: str
    marked: str
    pointer: str
    rising: str
    falling: str
    ellipsis: str
    rule: str
    dot: str


UNICODE = Glyphs(
    ascii=False,
    states={
        "queued": "◌",
        "running": "●",
        "paused": "‖",
        "stopped": "■",
        "finished": "✓",
        "failed": "✗",
        "diverged": "∞",
        "crashed": "✗",
        "live": "◍",
        "log": "○",
    },
    legend="━",
    cursor="│",
    grid="┈",
    nan="×",
    point="•",
    full="━",
    empty="─",
    spark="▁▂▃▄▅▆▇█",
    marked="◆",
    pointer="▸",
    rising="▲",
    falling="▼",
    ellipsis="…",
    rule="─",
    dot="·",
)

ASCII = Glyphs(
    ascii=True,
    states={
        "queued": ".",
        "running": "*",
        "paused": "=",
        "stopped": "#",
        "finished": "+",
        "failed": "x",
        "diverged": "~",
        "crashed": "x",
        "live": "@",
        "log": "o",
    },
    legend="-",
    cursor="|",
    grid="-",
    nan="x",
    point="o",
    full="=",
    empty="-",
    spark="_.:-=+*#",
    marked="#",
    pointer=">",
    rising="^",
    falling="v",
    ellipsis="~",
    rule="-",
    dot=".",
)

STATE_COLOURS: Mapping[str, str] = {
    "queued": "secondary",
    "running": "primary",
    "paused": "warning",
    "stopped": "secondary",
    "finished": "success",
    "failed": "error",
    "diverged": "error",
    "crashed": "error",
    "live": "primary",
    "log": "secondary",
}
"""The theme's colour for each state of a run."""


_KEYS_IN_ASCII = {"⏎": "enter", "↑": "up", "↓": "down", "←": "left", "→": "right", "⌫": "backspace", "␛": "esc"}


def key_sign(sign: str) -> str:
    """A key as it is shown, such as an arrow; in words for a terminal without Unicode."""
    if not glyphs().ascii or sign.isascii():
        return sign
    return "/".join(word for word in _words_of(sign) if word)


def _words_of(sign: str) -> list[str]:
    words: list[str] = []
    plain = ""
    for character in sign:
        if character in _KEYS_IN_ASCII:
            words, plain = [*words, plain + _KEYS_IN_ASCII[character]], ""
        else:
            plain += character
    return [*words, plain]


def glyphs() -> Glyphs:
    """The signs for this terminal."""
    return ASCII if wants_ascii() else UNICODE
