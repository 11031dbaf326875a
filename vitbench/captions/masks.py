"""COCO segmentations as masks: polygons, run lengths, and run lengths as compressed text."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitbench.captions.formats.rows import Region
from vitbench.data.pictures import largest_picture
from vitbench.data.scenes import Word
from vitbench.errors import UserError
from vitbench.text import shortened

Mask = NDArray[np.bool_]
_FAR = 1e6
"""Pixels; a corner that far off is no polygon in a picture."""
_LARGEST_SHIFT = 60
"""Bits of a run length; a text without an end would make a number of any size."""


def region_mask(region: Region, note: Callable[[str], None] = lambda said: None) -> Mask:
    """The region's pixels, bool [height, width]. Raises UserError if its segmentation is in no form of COCO's.

    A polygon that is none costs only itself, if others are left; `note` is told.
    """
    segmentation = region.segmentation
    try:
        if isinstance(segmentation, Mapping):
            height, width = (_whole(side) for side in segmentation["size"])
            _check_size(height, width)
            counts = segmentation["counts"]
            lengths = [_whole(count) for count in counts] if isinstance(counts, list) else uncompressed(counts)
            return from_run_lengths(lengths, height, width)
        _check_size(region.height, region.width)
        return _from_polygons(segmentation, region.height, region.width, note)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what, reason = shortened(region.category, 80), shortened(str(error))
        raise UserError(f"The segmentation of a {what} is not in COCO's form ({reason}).") from error


def word_masks(word: Word, masks: Sequence[Mask | None]) -> tuple[Mask, ...]:
    """The pixels of each object that a word of a scene refers to, bool [height, width]; none for a word without.

    `masks` are those of the picture's regions; a word that refers to one that is missing (None) has none.
    """
    if not masks or not (word.background or word.objects):
        return ()
    if word.background:
        known = [mask for mask in masks if mask is not None]
        return (~np.logical_or.reduce(known),) if len(known) == len(masks) else ()
    meant = [masks[number] if number < len(masks) else None for number in word.objects]
    found = tuple(mask for mask in meant if mask is not None)
    return found if len(found) == len(meant) else ()


def from_run_lengths(lengths: Sequence[int], height: int, width: int) -> Mask:
    """The mask of COCO's run lengths: column by column, zeros first. Raises ValueError if they do not add up."""
    if sum(lengths) != height * width or min(lengths, default=0) < 0:
        raise ValueError(f"run lengths of {sum(lengths)} pixels for a picture of {width}x{height}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return values.reshape((height, width), order="F")


def uncompressed(text: str | bytes) -> list[int]:
    """The run lengths in COCO's compressed text: 5 bits a character from code 48, sign-extended, each from the third
    on as the difference to the one two before."""
    if not isinstance(text, str | bytes):
        raise ValueError("run lengths are a list of numbers or a text")
    codes = text if isinstance(text, bytes) else text.encode("ascii")
    lengths: list[int] = []
    place = 0
    while place < len(codes):
        value = shift = 0
        more = True
        while more:
            if place == len(codes):
                raise ValueError("the compressed run lengths end in the middle of a number")
            if shift > _LARGEST_SHIFT:
                raise ValueError("a run length that no picture can have")
            code = codes[place] - 48
            value |= (code & 0x1F) << shift
            more = bool(code & 0x20)
            place, shift = place + 1, shift + 5
            if not more and code & 0x10:
                value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
    return lengths


def _whole(value: Any) -> int:
    """A count or a side, be it written as 64.0. Raises ValueError if it is not a whole number."""
    if isinstance(value, bool) or not float(value).is_integer():
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1 or height * width > largest_picture():
        raise ValueError(f"a mask of {width}x{height} pixels")


def _from_polygons(polygons: Any, height: int, width: int, note: Callable[[str], None]) -> Mask:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    if polygons and not isinstance(polygons[0], list | tuple):
        polygons = [polygons]  # one polygon without the list around it
    if (lengths := _bare_run_lengths(polygons, height, width)) is not None:
        note("its numbers add up to the pixels of the picture, so they are read as run lengths and no polygon")
        return from_run_lengths(lengths, height, width)
    wrong: list[str] = []
    beyond: list[str] = []
    reason = ""
    for number, polygon in enumerate(polygons):
        try:
            numbers = _numbers(polygon)
            if _are_fractions(numbers):
                note(f"polygon {number} of {len(polygons)} is read as fractions of the sides")
                numbers = [one * (height if place % 2 else width) for place, one in enumerate(numbers)]
            if over := _beyond(numbers, height, width):
                beyond.append(f"polygon {number} of {len(polygons)} reaches {over} pixels beyond the picture")
            draw.polygon(_corners(numbers), fill=1)
        except (TypeError, ValueError) as error:
            wrong.append(f"polygon {number} of {len(polygons)} is left out ({error})")
            reason = str(error)
    if len(wrong) == len(polygons):
        raise ValueError(reason if polygons else "it has no polygon")
    for said in wrong:
        note(said)
    mask = np.asarray(canvas)
    for said in beyond if mask.any() else ():
        note(f"{said}, and is cut there")
    return mask


def _bare_run_lengths(polygons: Any, height: int, width: int) -> list[int] | None:
    """Run lengths that stand where polygons belong, without their size: their sum is the number of pixels."""
    numbers = polygons[0] if len(polygons) == 1 else None
    if not numbers or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        return None
    return list(numbers) if sum(numbers) == height * width else None


def _numbers(polygon: Any) -> list[float]:
    """The numbers x, y, x, y, ... of a polygon, which may be written as pairs or as objects with x and y.

    Raises ValueError if they are none.
    """
    if polygon and isinstance(polygon[0], Mapping):
        polygon = [(corner["x"], corner["y"]) for corner in polygon]
    if polygon and isinstance(polygon[0], list | tuple):
        polygon = [number for pair in polygon for number in pair]
    if len(polygon) % 2:
        raise ValueError("an x without its y")
    return [float(number) for number in polygon]


def _are_fractions(numbers: Sequence[float]) -> bool:
    """Whether coordinates are shares of the sides: a polygon within one pixel would be no object."""
    return all(0 <= n <= 1 for n in numbers) and not all(n.is_integer() for n in numbers)


def _beyond(numbers: Sequence[float], height: int, width: int) -> int:
    """By how many pixels a polygon leaves the picture; 0 where it is no more than a hundredth of a side, or two
    pixels."""
    if not all(map(math.isfinite, numbers)):
        return 0
    sides = [
        (max(numbers[place::2], default=0) - side, -min(numbers[place::2], default=0), side)
        for place, side in ((0, width), (1, height))
    ]
    most = max((over for *both, side in sides for over in both if over > max(2.0, 0.01 * side)), default=0.0)
    return math.ceil(most) if most < _FAR else 0


def _corners(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """The corners as Pillow counts them. Raises ValueError if they are no polygon in a picture."""
    points = [(x - 0.5, y - 0.5) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    if len(points) < 3:
        raise ValueError("a polygon with fewer than three corners")
    if not all(abs(number) < 1e6 for point in points for number in point):
        raise ValueError("a corner that is not in any picture")
    return points


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
