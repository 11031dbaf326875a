"""Files as other people have them, written small: what the tests of `docs/compatibility.md` share."""

from pathlib import Path

import numpy as np
from PIL import Image

from vitbench.captions.index import open_captions
from vitbench.data.layouts import recognise

_drawn = np.random.default_rng(3)


def draw(root: Path, *names: str, size: tuple[int, int] = (8, 6), orientation: int = 0) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = _drawn.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        exif = Image.Exif()
        if orientation:
            exif[0x0112] = orientation
        Image.fromarray(pixels).save(root / name, exif=exif)


def write(root: Path, name: str, text: str | bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def labels(root: Path, chosen: str = "") -> dict[str, str | None]:
    return {entry.file: entry.label for entry in recognise(root, chosen).entries}


def captions(root: Path) -> dict[str, list[str]]:
    return {picture.file.name: list(picture.captions) for picture in open_captions(root).pictures}
