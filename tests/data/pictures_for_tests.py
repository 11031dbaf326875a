"""Small data sets for tests: smooth pictures of different shapes, so that resizing has something to do."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw(file: Path, number: int, width: int = 40, height: int = 30) -> None:
    """A picture that its number decides."""
    noise = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(file, quality=90)


def course(root: Path, *, train: int = 23, val: int = 7, classes: int = 3) -> Path:
    """A folder in the course's layout, of JPEGs of different shapes."""
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            seed = number + 1000 * (split == "val")
            draw(root / split / f"{number % classes}_{number}.jpg", seed, 40 + 8 * (number % 3), 30 + 9 * (number % 2))
    return root
