"""Pictures in few colours: error diffusion in OKLab, where equal distances look about equally large.

Sources: OKLab, B. Ottosson 2020; error diffusion, R. W. Floyd and L. Steinberg 1976.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from screens.widgets.oklab import PALETTE, PALETTE_OKLAB, Floats, oklab

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.intp]

_CHROMA = 1.25
"""How much an error of hue counts beside one of lightness where the next colour is chosen."""

_STEADY, _STEADIER, _SPARSE = 0.25, 2.0, 0.08
"""Colours that leave the lightness of their own pixel are avoided: grain is seen first by its lightness. A little
everywhere, and strongly where the palette's nearest colour is farther than about `_SPARSE` in OKLab, as in the dark
blues of a heat map, where the grain would be coarse. All were chosen by benchmarks/colours.py."""

_PASSED_ON = 0.9
"""The share of an error that the neighbours take over; all of it lets errors that no colour can mend pile up."""

BLACK, GREY, WHITE = 0, 7, 15
"""Of the 16 colours those without a hue. Bright black is another one in many colour schemes, even black."""
_LUMINANCE = {BLACK: 0.0, GREY: 0.53, WHITE: 1.0}
"""Of their light; terminals differ in the one between, so it is a mean."""

GREY_CELLS: tuple[tuple[str, int, int], ...] = (
    *((sign, GREY, BLACK) for sign in " ░▒▓█▀▄"),
    *((sign, WHITE, GREY) for sign in "░▒▓█▀▄"),
    *((sign, WHITE, BLACK) for sign in "▀▄"),
)
"""Every cell of a picture in 16 colours: its sign, foreground and background."""
_COVERAGE = {" ": (0, 0), "░": (0.25, 0.25), "▒": (0.5, 0.5), "▓": (0.75, 0.75), "█": (1, 1), "▀": (1, 0), "▄": (0, 1)}
"""How much of the upper and of the lower half of a cell is foreground."""
_CELL_LIGHTNESS = np.array(
    [
        [np.cbrt(part * _LUMINANCE[ink] + (1 - part) * _LUMINANCE[paper]) for part in _COVERAGE[sign]]
        for sign, ink, paper in GREY_CELLS
    ],
    np.float32,
)
"""[cells, 2]: the lightness in OKLab of the two halves, as it looks from afar."""


def to_palette(pixels: Pixels) -> Pixels:
    """Pixels [height, width, 3] in colours of the 6x6x6 cube and the grey ramp of 256-colour terminals, dithered."""
    weights = np.array([1.0, _CHROMA, _CHROMA], np.float32)
    colours = PALETTE_OKLAB * weights
    squares = (colours * colours).sum(1)
    lightness = colours[:, 0]
    wanted = oklab(pixels) * weights
    nearest_squared = (wanted * wanted).sum(-1) + (squares - 2 * wanted @ colours.T).min(-1)
    steadiness = _STEADY + _STEADIER * (nearest_squared / _SPARSE**2) ** 2

    def choose(values: Floats, own: Floats) -> Numbers:
        distances = values @ (-2.0 * colours.T)
        distances += squares
        distances += own[:, 1:] * (lightness * (lightness - 2 * own[:, :1]))
        return distances.argmin(1)

    return PALETTE[_diffused(wanted, np.stack([wanted[..., 0], steadiness], -1), choose, colours)]


def to_grey_cells(pixels: Pixels) -> Numbers:
    """Pixels [height, width, 3] as positions [ceil(height / 2), width] in `GREY_CELLS`, by brightness alone.

    A cell of a smooth place gets a shade, one on an edge two halves; what they cannot show goes to the neighbours.
    """
    lightness = oklab(pixels)[..., 0]
    if len(lightness) % 2:
        lightness = np.concatenate([lightness, lightness[-1:]])
    wanted = np.stack([lightness[0::2], lightness[1::2]], -1)
    squares = (_CELL_LIGHTNESS**2).sum(1)
    return _diffused(
        wanted, wanted, lambda values, _: (squares - 2 * values @ _CELL_LIGHTNESS.T).argmin(1), _CELL_LIGHTNESS
    )


def _diffused(wanted: Floats, known: Floats, choose: Callable[[Floats, Floats], Numbers], colours: Floats) -> Numbers:
    """Floyd-Steinberg on `wanted` [height, width, channels] with `colours` [count, channels]: the chosen numbers.

    `choose` gets pixels [some, channels] with the errors of their neighbours, and what is `known` of each of them.

    A pixel waits for its left neighbour and three above, so all pixels with the same x + 2 y are independent: they
    are done at once. Kept by that sum, each of them and each neighbour that takes its error is a slice.
    """
    height, width, channels = wanted.shape
    steps = width + 2 * (height - 1)
    rows = np.arange(height)
    skewed = np.zeros((steps + 4, height + 1, channels), np.float32)
    known_skewed = np.zeros((steps, height, known.shape[-1]), np.float32)
    skewed[rows[:, None] * 2 + np.arange(width), rows[:, None]] = wanted
    known_skewed[rows[:, None] * 2 + np.arange(width), rows[:, None]] = known
    chosen = np.zeros((steps, height), np.intp)
    for step in range(steps):
        first, last = max(0, (step - width + 2) // 2), min(height - 1, step // 2) + 1
        values = skewed[step, first:last]
        numbers = choose(values, known_skewed[step, first:last])
        chosen[step, first:last] = numbers
        error = (values - colours[numbers]) * (_PASSED_ON / 16)
        skewed[step + 1, first:last] += 7 * error
        skewed[step + 1, first + 1 : last + 1] += 3 * error
        skewed[step + 2, first + 1 : last + 1] += 5 * error
        skewed[step + 3, first + 1 : last + 1] += error
    return chosen[rows[:, None] * 2 + np.arange(width), rows[:, None]]
