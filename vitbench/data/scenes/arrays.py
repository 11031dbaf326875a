"""Many scenes in memory at once, drawn by several processes, for training without files."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from vitbench.data.scenes.captions import describe
from vitbench.data.scenes.kinds import KIND_SETS
from vitbench.data.scenes.render import render
from vitbench.data.scenes.scene import HeldOut, Scene, make_scene
from vitbench.progress import Progress, silent

SPLITS = ("train", "val", "test", "test_heldout")
_CHUNK = 250


def scene_of(split: str, index: int, *, seed: int, kinds: str, width: int, height: int) -> Scene:
    """Scene number `index` of a split; only `test_heldout` shows kind-colour pairs that training never saw."""
    held_out: HeldOut = "only" if split == "test_heldout" else "exclude"
    return make_scene((seed, SPLITS.index(split), index), kinds=kinds, width=width, height=height, held_out=held_out)


def scene_arrays(
    count: int,
    *,
    seed: int = 0,
    split: str = "train",
    kinds: str = "base",
    size: int = 96,
    processes: int = 1,
    progress: Progress = silent,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """`count` square scenes: pixels uint8 [count, size, size, 3], labels int64 [count], and their captions."""
    pixels = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    captions: list[str] = []
    chunk = partial(_chunk, seed=seed, split=split, kinds=kinds, size=size)
    starts = range(0, count, _CHUNK)
    ranges = [range(start, min(start + _CHUNK, count)) for start in starts]
    with ProcessPoolExecutor(processes, mp_context=get_context("forkserver")) as pool:
        answers = map(chunk, ranges) if processes == 1 else pool.map(chunk, ranges)
        for indices, (some_pixels, some_labels, some_captions) in zip(ranges, answers, strict=True):
            pixels[indices.start : indices.stop] = some_pixels
            labels[indices.start : indices.stop] = some_labels
            captions += some_captions
            progress(indices.stop, count, "drawing scenes")
    return pixels, labels, captions


def _chunk(
    indices: range, *, seed: int, split: str, kinds: str, size: int
) -> tuple[NDArray[np.uint8], list[int], list[str]]:
    scenes = [scene_of(split, index, seed=seed, kinds=kinds, width=size, height=size) for index in indices]
    pixels = np.stack([render(scene).pixels for scene in scenes])
    return pixels, [KIND_SETS[kinds].index(scene.label) for scene in scenes], [str(describe(scene)) for scene in scenes]
