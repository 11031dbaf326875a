"""JPEGs like photographs, without any photograph: made once for all steps of a call."""

import multiprocessing
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from gpu.bench import Bench

CLASSES = 37
"""As in the report."""


def jpegs(bench: Bench) -> Path:
    """A folder of `train` and `val`, a folder a class in each: 2,048 and 256 JPEGs of 500x375, whole batches of 128.

    For `small` 40 and 8 of 64x48.
    """
    folder = bench.store / "pictures"
    if folder.exists():
        return folder
    train, val, classes, size = (40, 8, 4, (64, 48)) if bench.small else (2048, 256, CLASSES, (500, 375))
    unfinished = folder.with_name("pictures.tmp")
    for part in ("train", "val"):
        for label in range(classes):
            (unfinished / part / f"class{label:02d}").mkdir(parents=True)
    write = partial(_write, unfinished, train, classes, size)
    if bench.small:
        for number in range(train + val):
            write(number)
    else:
        with multiprocessing.get_context("fork").Pool() as pool:
            pool.map(write, range(train + val), chunksize=32)
    unfinished.rename(folder)
    return folder


def _write(folder: Path, train: int, classes: int, size: tuple[int, int], number: int) -> None:
    """Smooth colours with some grain: about 50 KB at 500x375, as photographs of this size have."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (15, 20, 3), dtype=np.uint8)).resize(size, 3)
    grain = random.normal(0, 6, (size[1], size[0], 1))
    pixels = (np.asarray(coarse.filter(ImageFilter.SMOOTH)) + grain).clip(0, 255).astype(np.uint8)
    part = "train" if number < train else "val"
    Image.fromarray(pixels).save(folder / part / f"class{number % classes:02d}" / f"{number:05d}.jpg", quality=90)
