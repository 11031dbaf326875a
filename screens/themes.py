"""Which colour themes are offered: those whose colours the screens can mix and write, ours first."""

from collections.abc import Mapping

from textual.color import Color
from textual.theme import Theme

from screens.look import DEFAULT_THEME, THEMES

_WORDS = ("foreground", "secondary", "primary", "accent", "success", "warning", "error")
_GROUNDS = ("background", "surface", "panel", "block-cursor-background")
_LEAST_CONTRAST = 4.5
"""For text, WCAG 2.1."""
_FOREGROUND_CONTRAST = 9.0
"""Labels are written in a shade half-way to the background."""


def offered_themes(available: Mapping[str, Theme]) -> list[str]:
    """The names of the themes that a person may choose, ours first.

    A theme of ANSI colours is left out: its colours are names that only the terminal can look up, while charts and
    tables mix shades of them.
    """
    ours = [theme.name for theme in THEMES]
    return ours + sorted(name for name, theme in available.items() if name not in ours and not theme.ansi)


def remembered_theme(name: str, available: Mapping[str, Theme]) -> tuple[str, str]:
    """The theme to start with, and a sentence where it is not the remembered one."""
    if name in offered_themes(available):
        return name, ""
    return DEFAULT_THEME, f'The remembered theme "{name}" is not available; {DEFAULT_THEME} is used.'


def readable(variables: Mapping[str, str]) -> dict[str, str]:
    """A theme's colours with those of words moved away from those behind them until each can be read there.

    Themes are made for Textual's own widgets, where `secondary` is a surface and the cursor's row has its own colour
    of words; here every colour of words comes on every ground.
    """
    colours = {name: Color.parse(variables[name]) for name in (*_WORDS, *_GROUNDS)}
    background = colours["background"]
    colours["block-cursor-background"] = background.blend(colours["primary"], 0.25).with_alpha(1)
    grounds = [colours[name] for name in _GROUNDS]
    far = Color.parse("white" if background.brightness < 0.5 else "black")
    for name in _WORDS:
        colour = colours[name]
        least = _FOREGROUND_CONTRAST if name == "foreground" else _LEAST_CONTRAST
        for share in range(21):
            moved = colour.blend(far, share / 20)
            if min(contrast(moved, ground) for ground in grounds) >= least:
                break
        colours[name] = moved
    changed = {name: colour.hex6 for name, colour in colours.items()}
    return {**variables, **changed, "block-cursor-foreground": colours["foreground"].hex6}


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Color) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
