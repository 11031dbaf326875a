"""The picture under the map of a word, or under the difference of two maps: what the screen shows and a figure has."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.figures.raster import Box, OverlayStyle, Picture, overlay
from vitbench.figures.sheet import Scale

PANEL_SIDE = 320
"""The longest side of a panel in pixels."""
STRENGTH, DIFFERENCE_STRENGTH = 0.5, 0.65
COLOURS, DIFFERENCE_COLOURS = "jet", "RdBu_r"

Floats = NDArray[np.floating]


def shown_picture(picture: Image.Image, box: Sequence[float]) -> tuple[Picture, Box]:
    """The picture scaled to the size of a panel, and the captioner's part `box` of it in the panel's pixels."""
    factor = PANEL_SIDE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    across, down = size[0] / picture.width, size[1] / picture.height
    left, top, right, bottom = box
    shown = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    return shown, (left * across, top * down, right * across, bottom * down)


def word_panel(
    picture: Picture, maps: Floats, word: int, box: Box, *, one_scale: bool = False, minus: Floats | None = None
) -> tuple[Picture, Scale]:
    """Word number `word`, from 0, of maps [words, rows, columns] over the picture, and what its colours mean.

    With `one_scale` the colours of all words go from 0 to the largest value of the caption; else each word has its
    own scale, which makes a diffuse word look as focused as any other. `minus` [rows, columns] is taken away: red is
    more, blue is less.
    """
    values = maps[word]
    if minus is not None:
        values = values - minus
        most = float(np.abs(values).max()) or 1.0
        scale = Scale(DIFFERENCE_COLOURS, -most, most, "Difference")
        style = OverlayStyle(scale.colour_map, DIFFERENCE_STRENGTH, low=scale.low, high=scale.high)
        return overlay(picture, values, style, box), scale
    low, high = (0.0, float(maps.max()) or 1.0) if one_scale else (float(values.min()), float(values.max()))
    scale = Scale(COLOURS, low, high, "Attention")
    style = OverlayStyle(scale.colour_map, STRENGTH, low=low, high=high)
    return overlay(picture, values, style, box), scale
