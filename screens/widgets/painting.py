"""Pixels as rows of cells, for what the terminal shows: half blocks in true colour, in 256 or in
shades of grey, or signs.

The two colours of a half block are two pixels, one above the other.
"""

from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from screens.colours import depth_of
from screens.look import glyphs
from screens.widgets.dithering import BLACK, GREY, GREY_CELLS, WHITE, Pixels, to_grey_cells, to_palette
from vitbench.terminal_colours import Depth

UPPER_HALF = "▀"
_SHADES = " .:-=+*#%@"


def painted(pixels: Pixels, widget: Widget) -> list[Strip]:
    """Pixels [height, width, 3] as rows of cells for the terminal in which `widget` is shown."""
    depth = depth_of(widget.app)
    if glyphs().ascii or depth is Depth.NONE:
        return shades(pixels, widget.app.current_theme.dark)
    if widget.app.no_color:
        pixels = np.repeat(brightness(pixels).round().astype(np.uint8)[..., None], 3, axis=2)
    if depth is Depth.SIXTEEN:
        return grey_blocks(to_grey_cells(pixels))
    return half_blocks(to_palette(pixels) if depth is Depth.PALETTE else pixels)


def half_blocks(pixels: Pixels) -> list[Strip]:
    """Pixels [height, width, 3] as rows of `▀`: foreground the upper pixel, background the lower one.

    An odd last row leaves its lower half to the widget's background.
    """
    height, width, _ = pixels.shape
    styles: dict[tuple[int, ...], Style] = {}
    strips = []
    for top in range(0, height, 2):
        pair = pixels[top : top + 2].transpose(1, 0, 2).reshape(width, -1).tolist()
        segments = []
        for key, cells in groupby(map(tuple, pair)):
            if key not in styles:
                lower = Color.from_triplet(ColorTriplet(*key[3:6])) if len(key) == 6 else None
                styles[key] = Style(color=Color.from_triplet(ColorTriplet(*key[:3])), bgcolor=lower)
            segments.append(Segment(UPPER_HALF * len(list(cells)), styles[key]))
        strips.append(Strip(segments, width))
    return strips


def grey_blocks(cells: NDArray[np.intp]) -> list[Strip]:
    """Positions [rows, width] in `GREY_CELLS` as rows of cells."""
    strips = []
    for row in cells.tolist():
        segments = []
        for number, same in groupby(row):
            sign, ink, paper = GREY_CELLS[number]
            segments.append(Segment(sign * len(list(same)), Style(color=_standard(ink), bgcolor=_standard(paper))))
        strips.append(Strip(segments, cells.shape[1]))
    return strips


def _standard(number: int) -> Color:
    level = {BLACK: 0, GREY: 170, WHITE: 255}[number]
    return Color(f"color({number})", ColorType.STANDARD, number, ColorTriplet(level, level, level))


def brightness(pixels: Pixels) -> NDArray[np.float32]:
    """Pixels [height, width, 3] as [height, width], 0 to 255, by the weights of Rec. 601."""
    found: NDArray[np.float32] = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return found


def shades(pixels: Pixels, dark: bool = True) -> list[Strip]:
    """The picture in ASCII signs, one a cell, for terminals without Unicode or without colours.

    Signs of rising density are brighter on a `dark` background, and darker on a light one.
    """
    light = brightness(pixels)
    rows = (light[0::2][: light.shape[0] // 2] + light[1::2]) / 2 if light.shape[0] > 1 else light
    signs = np.clip(rows / 256 * len(_SHADES), 0, len(_SHADES) - 1).astype(int)
    scale = _SHADES if dark else _SHADES[::-1]
    return [Strip([Segment("".join(scale[sign] for sign in row))], len(row)) for row in signs.tolist()]
