"""Lessons come again varied: moved by a few pixels, and every other one with its colour channels exchanged.

A red heart becomes a blue one whose word for the colour is not to be trusted: so the networks learn that a shape is
the same in every colour, and from a few pictures more. All of it is f(number), so that a training can be repeated.
"""

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 6
"""Pixels by which a picture moves at most, in each direction."""
RECOLOURED = 0.5
_SEED = 20261125
_EXCHANGES = [exchange for exchange in permutations(range(3)) if exchange != (0, 1, 2)]


def varied(record: Any, number: int) -> Any:
    """The record (see lessons.py), moved and perhaps recoloured; what moves in at a border repeats the border."""
    random = np.random.default_rng([_SEED, number])
    down, across = (int(step) for step in random.integers(-MOST, MOST + 1, 2))
    new = record.copy()
    new["pixels"] = moved(record["pixels"], down, across)
    new["owner"] = moved(record["owner"], down, across)
    if random.random() < RECOLOURED:
        new["pixels"] = new["pixels"][:, :, list(_EXCHANGES[random.integers(len(_EXCHANGES))])]
        new["recoloured"] = 1
    return new


def moved(pixels: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """The picture [H, W] or [H, W, 3], moved by so many pixels."""
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    return pixels[rows][:, columns]
