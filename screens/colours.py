"""Every colour that is drawn, in what the terminal shows. The screens draw in true colour; a filter on the finished
lines takes the nearest colour of 256 or 16, by eye (OKLab), and keeps what was readable readable.

Pictures are dithered before (`widgets/painting.py`), and arrive here in colours that the terminal has.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from rich.color import Color as RichColor
from rich.color import ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

from screens.widgets.oklab import FIRST, PALETTE, PALETTE_OKLAB, oklab
from vitbench.terminal_colours import Depth

_SIXTEEN = np.array(
    [[170 * (n & 1), 170 * (n >> 1 & 1), 170 * (n >> 2)] for n in range(8)]
    + [[85 + 170 * (n & 1), 85 + 170 * (n >> 1 & 1), 85 + 170 * (n >> 2)] for n in range(8)],
    np.uint8,
)
_SIXTEEN[3] = (170, 85, 0)
_SIXTEEN_OKLAB = oklab(_SIXTEEN)
"""The 16 colours as a VGA shows them; a person's terminal may show them otherwise."""

_HUELESS, _SAFE = (0, 7, 8, 15), (0, 7, 15)
"""Greys, and those that text may have: bright black is black in many colour schemes."""
_STRONG, _HARDLY_COLOURED = 0.2, 0.08
"""The chroma of the 16 colours in OKLab, and that below which a background counts as grey."""

_READABLE = 0.2
"""A difference of lightness in OKLab below which text is hard to read."""
_TEXT = 0.25
"""A difference from which on something is meant to be read; borders and grids have less."""
_HUE = 0.35
"""A difference below which an ink is grey: what is dimmed behind a dialog would be in strong colours."""

SELECTION_IN_16: Mapping[bool, Mapping[str, str]] = {
    True: {"block-cursor-background": "#0000aa", "block-cursor-foreground": "#ffffff", "border": "#555555"},
    False: {"block-cursor-background": "#00aaaa", "block-cursor-foreground": "#000000", "border": "#555555"},
}
"""Theme variables, by whether the theme is dark, whose own colours would be one with the background in 16 colours."""


def depth_of(app: App[object]) -> Depth:
    """What the terminal of this app shows; true colour for an app that does not say."""
    depth = getattr(app, "colour_depth", Depth.TRUE)
    return depth if isinstance(depth, Depth) else Depth.TRUE


class DepthFilter(LineFilter):
    """Takes finished lines to the colours that a terminal has."""

    def __init__(self, depth: Depth) -> None:
        super().__init__(enabled=depth is not Depth.TRUE)
        self.depth = depth

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text in other styles."""
        if self.depth is Depth.NONE:
            under = background.rgb
            return [Segment(text, style and _without_colour(style, under), None) for text, style, _ in segments]
        sixteen = self.depth is Depth.SIXTEEN
        return [Segment(text, style and _in_few_colours(style, sixteen), None) for text, style, _ in segments]


@lru_cache(8192)
def _in_few_colours(style: Style, sixteen: bool) -> Style:
    ink, paper = style.color, style.bgcolor
    changed = [colour is not None and colour.type is ColorType.TRUECOLOR for colour in (ink, paper)]
    if not any(changed):
        return style
    new_paper = _nearest(paper.triplet, sixteen, True) if changed[1] and paper and paper.triplet else paper
    contrast = (
        abs(_lightness(ink.triplet) - _lightness(paper.triplet))
        if ink and paper and ink.triplet and paper.triplet
        else 1.0
    )
    new_ink = _nearest(ink.triplet, sixteen, False, contrast) if changed[0] and ink and ink.triplet else ink
    if ink and ink.triplet and paper and paper.triplet and new_ink and new_ink.triplet and new_paper:
        under = _lightness(new_paper.triplet or paper.triplet)
        left = abs(_lightness(new_ink.triplet) - under)
        if contrast >= _READABLE / 2 and left < _READABLE and left < contrast / 2:
            new_ink = (
                _numbered((15 if under < 0.6 else 0), _SIXTEEN)
                if sixteen
                else _nearest(ColorTriplet(255, 255, 255) if under < 0.6 else ColorTriplet(0, 0, 0), False, False)
            )
    return style + Style.from_color(new_ink if changed[0] else None, new_paper if changed[1] else None)


@lru_cache(1024)
def _without_colour(style: Style, under: tuple[int, int, int]) -> Style:
    """Attributes alone; what had a background of its own, as a selected row has, is reversed."""
    paper = style.bgcolor
    stands_out = (
        paper is not None
        and paper.triplet is not None
        and abs(_lightness(paper.triplet) - _lightness(ColorTriplet(*under))) > _READABLE / 2
    )
    default = RichColor.default()
    return style + Style.from_color(default, default) + (Style(reverse=True) if stands_out else Style())


@lru_cache(8192)
def _nearest(triplet: ColorTriplet, sixteen: bool, background: bool, contrast: float = 1.0) -> RichColor:
    """The colour number that looks most like this one. Of 16 colours a background has the first 8: some terminals have
    no bright ones there."""
    if not sixteen:
        distance = ((PALETTE_OKLAB - oklab(np.array(triplet))) ** 2).sum(1)
        number = int(distance.argmin())
        red, green, blue = PALETTE[number].tolist()
        return RichColor(
            f"color({number + FIRST})", ColorType.EIGHT_BIT, number + FIRST, ColorTriplet(red, green, blue)
        )
    colour = oklab(np.array(triplet))
    chroma = float(np.hypot(colour[1], colour[2]))
    numbers = np.arange(8 if background else 16)
    if chroma < (_HARDLY_COLOURED if background else _HARDLY_COLOURED / 2) or contrast < _HUE:
        numbers = numbers[np.isin(numbers, _HUELESS if contrast < _TEXT else _SAFE)]
    else:  # as strong as the 16 are: what is muted would be nearest to a grey
        colour = np.array([colour[0], *(colour[1:] * (_STRONG / chroma))], np.float32)
        numbers = numbers[~np.isin(numbers, _HUELESS)]
    distances = ((_SIXTEEN_OKLAB[numbers] - colour) ** 2).sum(1)
    return _numbered(int(numbers[distances.argmin()]), _SIXTEEN)


def _numbered(number: int, palette: Any) -> RichColor:
    red, green, blue = palette[number].tolist()
    return RichColor(f"color({number})", ColorType.STANDARD, number, ColorTriplet(red, green, blue))


@lru_cache(8192)
def _lightness(triplet: ColorTriplet) -> float:
    return float(oklab(np.array(triplet))[0])
