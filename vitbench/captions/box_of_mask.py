"""Whether a mask of COCO lies where its box says: programs write rows for columns or y before x, which nobody sees."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vitbench.captions.formats.rows import Region
from vitbench.captions.masks import region_mask
from vitbench.errors import UserError

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_ALIKE, _SURE = 0.5, 0.8
"""Least intersection over union of a box and a mask that belong together, and of one that proves a reading."""


def agreeing(mask: Mask, region: Region) -> tuple[Mask, str]:
    """The mask of a region, read so that it agrees with its box, and what was found; empty if they do anyway.

    Of a mask that its box contradicts, the ways in which programs are known to err are tried. Where none fits, the mask
    stays.
    """
    if region.box is None:
        return mask, ""
    left, top, width, height = region.box
    boxes = [(left, top, left + width, top + height), (left, top, width, height)]  # also: right and bottom
    if max(_overlap(box_of(mask), box) for box in boxes) >= _ALIKE:
        return mask, ""
    for said, reading in _READINGS.items():
        with suppress(UserError, ValueError, TypeError, KeyError):
            other = reading(region)
            if other is not None and other.any() and _overlap(box_of(other), boxes[0]) >= _SURE:
                return other, f"its mask agrees with its box only {said}, and is read so"
    return mask, "its mask does not lie where its box says; the mask is used"


def box_of(mask: Mask) -> Box:
    """The box around a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union. A pixel more or less at each side is rounding, so it counts for neither."""
    if all(abs(a - b) <= 1 for a, b in zip(one, other, strict=True)):
        return 1.0
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / max(areas - width * height, 1e-9)


def _by_rows(region: Region) -> Mask | None:
    """Run lengths that go row by row, where COCO's go column by column."""
    if not isinstance(region.segmentation, Mapping):
        return None
    height, width = region.segmentation["size"]
    turned = region_mask(replace(region, segmentation={**region.segmentation, "size": [width, height]}))
    return turned.T


def _other_sides(region: Region) -> Mask | None:
    """Run lengths whose size is written as width and height."""
    if not isinstance(region.segmentation, Mapping):
        return None
    width, height = region.segmentation["size"]
    return region_mask(replace(region, segmentation={**region.segmentation, "size": [height, width]}))


def _inverted(region: Region) -> Mask | None:
    """Run lengths that begin with the object, without the run of no pixels that COCO has before it."""
    return ~region_mask(region) if isinstance(region.segmentation, Mapping) else None


def _exchanged(region: Region) -> Mask | None:
    """Polygons of y, x, y, x."""
    if isinstance(region.segmentation, Mapping):
        return None
    mask = region_mask(replace(region, height=region.width, width=region.height))
    return mask.T


_READINGS: dict[str, Callable[[Region], Mask | None]] = {
    "with run lengths row by row": _by_rows,
    "with its size as width and height": _other_sides,
    "inverted": _inverted,
    "with y before x": _exchanged,
}
