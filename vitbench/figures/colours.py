"""Colour maps as tables of 256 colours, so that a preview needs no matplotlib."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.errors import UserError
from vitbench.requests.colour_maps import COLOUR_MAPS, unknown_colour_map

MISSING = (128, 128, 128)
"""The colour of a value that is not a number."""

TABLES = Path(__file__).with_name("colour_maps.png")


@cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """The 256 colours of the colour map `name`, lowest value first: uint8 [256, 3].

    Raises UserError for a name that is not in `COLOUR_MAPS`.
    """
    if name not in COLOUR_MAPS:
        raise UserError(unknown_colour_map(name))
    with Image.open(TABLES) as tables:
        return np.asarray(tables.convert("RGB"))[COLOUR_MAPS.index(name)]


def value_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """The lowest and the highest finite value; (0, 1) when there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def colourise(
    values: NDArray[np.floating], colour_map: str = "viridis", low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """Colours for `values` of any shape: uint8 [..., 3]. `low` and `high` are the ends of the scale, else the data's.

    What lies outside takes the colour of the end; a constant array takes the lowest colour; NaN is grey.
    """
    lowest, highest = value_range(values)
    low = lowest if low is None else low
    high = highest if high is None else high
    span = high - low
    share = (values.astype(np.float64) - low) / span if span > 0 else np.where(np.isnan(values), np.nan, 0.0)
    missing = np.isnan(share)
    index = np.clip(np.where(missing, 0.0, share) * 256, 0, 255).astype(np.intp)
    colours = colour_table(colour_map)[index]
    colours[missing] = MISSING
    return colours
