"""The OKLab colour space, and the 240 colours that every 256-colour terminal shows alike.

OKLab by B. Ottosson, "A perceptual color space for image processing", 2020.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

_LEVELS = (0, 95, 135, 175, 215, 255)
PALETTE = np.array(
    [(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS]
    + [(8 + 10 * step,) * 3 for step in range(24)],
    np.uint8,
)
"""[240, 3] uint8: the colours 16 to 255 of xterm, the 6x6x6 cube and the greys. The 16 before them are the person's
own, and differ from terminal to terminal."""
FIRST = 16
"""The terminal's number of the first of them."""

_LINEAR = np.array([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in np.arange(256) / 255], "f4")
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


def oklab(pixels: ArrayLike) -> Floats:
    """sRGB in 0 to 255 [..., 3] as lightness in 0 to 1 and two axes of colour, about -0.4 to 0.4."""
    linear = _LINEAR[np.asarray(pixels)]
    found: Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return found


PALETTE_OKLAB = oklab(PALETTE)


def nearest(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """The colour of the palette that is nearest: a large even area in it is even in 256 colours too."""
    red, green, blue = PALETTE[((PALETTE_OKLAB - oklab(colour)) ** 2).sum(1).argmin()].tolist()
    return red, green, blue
