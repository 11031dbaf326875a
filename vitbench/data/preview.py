"""A contact sheet: augmented samples with their labels, as the network will see them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitbench.data.augment import Augmentation
from vitbench.data.dataset import Dataset
from vitbench.data.index import DataIndex
from vitbench.data.randomness import ORDER, generator
from vitbench.text import clean

_PAPER, _INK = (250, 250, 248), (40, 40, 40)
_GAP, _LINE = 8, 20


def contact_sheet(
    index: DataIndex,
    augmentation: Augmentation,
    *,
    seed: int = 0,
    epoch: int = 0,
    split: str = "",
    rows: int = 4,
    columns: int = 6,
    cell: int = 160,
) -> Image.Image:
    """`rows` x `columns` samples of a split (else train, else everything), drawn and augmented by seed and epoch.

    `cell` is the longer side of a picture on the sheet, in pixels. Another epoch shows the same samples in the same
    places, so that two sheets show what augmentation does. A file that cannot be read any more has no place.
    """
    wanted = split or ("train" if "train" in index.splits else "")
    positions = index.positions(wanted) if wanted else np.arange(len(index.samples))
    dataset = Dataset(index, positions, augmentation, seed=seed)
    numbers = generator(ORDER, seed).permutation(len(dataset))[: rows * columns]
    pixels, numbers, _ = dataset.pixels(numbers, epoch)
    labels = [index.classes[label] if label >= 0 else "" for label in dataset.labels[numbers]]
    return draw_sheet(pixels, labels, columns=columns, cell=cell)


def draw_sheet(pixels: np.ndarray, labels: list[str], *, columns: int, cell: int) -> Image.Image:
    """Pictures uint8 [B, height, width, 3] in rows, the label of each below it."""
    height, width = pixels.shape[1:3]
    scale = cell / max(height, width)
    shown = max(1, round(width * scale)), max(1, round(height * scale))
    count = max(1, len(labels))
    columns = min(columns, count)
    across, down = shown[0] + _GAP, shown[1] + _LINE + _GAP
    sheet = Image.new("RGB", (_GAP + columns * across, _GAP + -(-count // columns) * down), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    # Small pictures stay square-cornered; large ones are shrunk without moire.
    filter_ = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    for place, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        row, column = divmod(place, columns)
        left, top = _GAP + column * across, _GAP + row * down
        sheet.paste(Image.fromarray(picture).resize(shown, filter_), (left, top))
        pen.text((left, top + shown[1] + 2), _fitted(clean(label), shown[0], font), fill=_INK, font=font)
    return sheet


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, its end replaced by three dots where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
