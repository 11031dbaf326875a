"""COCO segmentations as masks: polygons, run lengths, and run lengths as compressed text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitbench.captions.formats.rows import Region
from vitbench.captions.index import CaptionedPicture
from vitbench.data.scenes import Word
from vitbench.errors import UserError

Mask = NDArray[np.bool_]


def region_mask(region: Region) -> Mask:
    """The region's pixels, bool [height, width]. Raises UserError if its segmentation is in no form of COCO's."""
    segmentation = region.segmentation
    try:
        if isinstance(segmentation, Mapping):
            height, width = (int(side) for side in segmentation["size"])
            counts = segmentation["counts"]
            lengths = counts if isinstance(counts, list) else uncompressed(counts)
            return from_run_lengths(lengths, height, width)
        return _from_polygons(segmentation, region.height, region.width)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"The segmentation of a {region.category} is in no form of COCO's ({error}).") from error


def word_masks(word: Word, picture: CaptionedPicture) -> tuple[Mask, ...]:
    """The pixels of each object that a word of a scene refers to, bool [height, width]; none for a word without."""
    if not picture.regions or not (word.background or word.objects):
        return ()
    masks = [region_mask(region) for region in picture.regions]
    if word.background:
        return (~np.logical_or.reduce(masks),)
    return tuple(masks[number] for number in word.objects)


def from_run_lengths(lengths: Sequence[int], height: int, width: int) -> Mask:
    """The mask of COCO's run lengths: column by column, zeros first. Raises ValueError if they do not add up."""
    if sum(lengths) != height * width or min(lengths, default=0) < 0:
        raise ValueError(f"run lengths of {sum(lengths)} pixels for a picture of {width}x{height}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape((height, width), order="F")


def uncompressed(text: str | bytes) -> list[int]:
    """The run lengths in COCO's compressed text: 5 bits a character from code 48, sign-extended, each from the third
    on as the difference to the one two before."""
    codes = text if isinstance(text, bytes) else text.encode("ascii")
    lengths: list[int] = []
    place = 0
    while place < len(codes):
        value = shift = 0
        more = True
        while more:
            if place == len(codes):
                raise ValueError("the compressed run lengths end in the middle of a number")
            code = codes[place] - 48
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            place, shift = place + 1, shift + 5
            if not more and code & 0x10:
                value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
    return lengths


def _from_polygons(polygons: Any, height: int, width: int) -> Mask:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    for polygon in polygons:
        points = [(float(x) - 0.5, float(y) - 0.5) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
        if len(points) < 3:
            raise ValueError("a polygon with fewer than three corners")
        draw.polygon(points, fill=1)
    return np.asarray(canvas)


def on_grid(mask: Mask, rows: int, columns: int) -> NDArray[np.float64]:
    """The share of each patch that the mask covers, [rows, columns]; sides need not divide evenly."""
    height, width = mask.shape
    return _stripes(height, rows) @ mask.astype(np.float64) @ _stripes(width, columns).T


def _stripes(length: int, parts: int) -> NDArray[np.float64]:
    """Weights [parts, length] that average a line of pixels over equal parts."""
    edges = np.linspace(0, length, parts + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.clip(overlap, 0, 1) * parts / length
