"""Drawn pictures come again varied: moved by a few pixels, and every other one with its colour channels exchanged.

A red heart becomes a blue one whose word for the colour is not to be trusted: so the networks learn that a shape is
the same in every colour, and from a few pictures more. All of it is f(number), so that a training can be repeated.

Where only labels are taught every other picture also comes with patches blanked. How good a map is, is measured by
blanking pixels; a network that has never seen any is lost at the first ones, wherever they are (Hooker et al. 2019).
"""

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 6
"""Pixels by which a picture moves at most, in each direction."""
RECOLOURED = 0.5
BLANKED = 0.5
MOST_BLANKED = {"background": 0.9, "object": 0.3}
"""Of the patches without and with objects, the largest share that is blanked; uniform from 0 to it."""
_SEED = 20261125
_EXCHANGES = [exchange for exchange in permutations(range(3)) if exchange != (0, 1, 2)]


def varied(record: Any, number: int) -> Any:
    """The record (see scene_records.py), moved and perhaps recoloured; what moves in at a border repeats the border."""
    random = np.random.default_rng([_SEED, number])
    down, across = (int(step) for step in random.integers(-MOST, MOST + 1, 2))
    new = record.copy()
    new["pixels"] = moved(record["pixels"], down, across)
    new["owner"] = moved(record["owner"], down, across)
    if random.random() < RECOLOURED:
        new["pixels"] = new["pixels"][:, :, list(_EXCHANGES[random.integers(len(_EXCHANGES))])]
        new["recoloured"] = 1
    return new


def blanked(record: Any, number: int, patch_size: int) -> Any:
    """The record, perhaps with some patches black, in which nothing is to be seen; of each object something stays."""
    random = np.random.default_rng([_SEED, number, 1])
    if random.random() >= BLANKED:
        return record
    grid = len(record["owner"]) // patch_size
    shows = record["owner"].reshape(grid, patch_size, grid, patch_size).max((1, 3)) > 0
    share = np.where(shows, random.random() * MOST_BLANKED["object"], random.random() * MOST_BLANKED["background"])
    black = (random.random((grid, grid)) < share).repeat(patch_size, 0).repeat(patch_size, 1)
    if not np.isin(record["owner"], [0, *record["owner"][~black]]).all():
        return record
    new = record.copy()
    new["pixels"][black] = 0
    new["owner"][black] = 0
    return new


def moved(pixels: NDArray[np.uint8], down: int, across: int) -> NDArray[np.uint8]:
    """The picture [H, W] or [H, W, 3], moved by so many pixels."""
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    return pixels[rows][:, columns]
