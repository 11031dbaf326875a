"""Masks at the pixels of their picture as it is seen: turned by EXIF and scaled where that is certain.

The one function by which `ground` and `faithfulness` read masks. One bad entry costs one entry; a mask whose place in
the picture is not certain is left out. Each is named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.captions.box_of_mask import agreeing
from vitbench.captions.formats.rows import Region
from vitbench.captions.masks import region_mask
from vitbench.data.pictures import TURNS, load_picture, orientation_of, read_file
from vitbench.errors import UserError

Mask = NDArray[np.bool_]


@dataclass
class FittedMasks:
    """`masks` has one for each region, bool [height, width] of the picture as it is seen; None where it is left out."""

    masks: list[Mask | None] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frame:
    """A picture's pixels: width and height as they are stored, and how EXIF turns them (1 is not at all)."""

    width: int
    height: int
    orientation: int = 1

    @property
    def seen(self) -> tuple[int, int]:
        """Width and height as a person sees them."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def frame_of(file: Path) -> Frame:
    """The frame of a picture file. Raises UnreadablePicture."""
    picture = load_picture(read_file(file), str(file))
    return Frame(*picture.size, orientation_of(picture))


def fitted_masks(file: Path, regions: Sequence[Region], frame: Frame | None = None) -> FittedMasks:
    """The masks of a picture's regions. Raises UnreadablePicture if the picture cannot be read."""
    found = FittedMasks()
    if not regions:
        return found
    frame = frame or frame_of(file)
    for region in regions:
        where = region.where or f"{file.name}, {region.category}"
        try:
            known = region if region.height and region.width else _sized(region, frame)
            mask = region_mask(known, lambda said, where=where: found.problems.append(f"{where}: {said}"))  # type: ignore[misc]  # mypy does not infer a lambda's default
            if not mask.any():
                raise UserError("it covers no pixel of the picture")
            mask, said = agreeing(mask, region)
            found.masks.append(fitted(mask, frame))
            found.problems += [f"{where}: {said}"] if said else []
        except UserError as error:
            found.masks.append(None)
            found.problems.append(f"{where}: {str(error).rstrip('.')}")
    return found


def fitted(mask: Mask, frame: Frame) -> Mask:
    """A mask as it lies on the picture as it is seen. Raises UserError if that is not certain."""
    height, width = mask.shape
    stored, seen = (frame.width, frame.height), frame.seen
    of_stored, of_seen = _scaled((width, height), stored), _scaled((width, height), seen)
    if frame.orientation == 1:
        if not of_seen:
            raise UserError(
                f"its mask has {width}x{height} pixels, and the picture {seen[0]}x{seen[1]} of another shape"
            )
        return _resized(mask, seen)
    if of_stored and of_seen:
        raise UserError(
            f"the picture is turned by its EXIF data, and nothing says whether its mask of {width}x{height} is too"
        )
    if of_seen:
        return _resized(mask, seen)
    if of_stored:
        turned = Image.fromarray(_resized(mask, stored)).transpose(TURNS[frame.orientation])
        return np.asarray(turned).astype(bool)
    raise UserError(f"its mask has {width}x{height} pixels, and the picture {seen[0]}x{seen[1]} of another shape")


def _scaled(size: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether one size is the other in its shape, larger or smaller, but for less than a pixel of rounding."""
    if size == target:
        return True
    (width, height), (wanted_width, wanted_height) = size, target
    factor = max(wanted_width / width, wanted_height / height)
    larger = max(1.0, factor)
    return abs(width * factor - wanted_width) < larger and abs(height * factor - wanted_height) < larger


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)).astype(bool)


def _sized(region: Region, frame: Frame) -> Region:
    """A region whose file does not say the picture's size: that of the picture, if it is not turned."""
    if frame.orientation != 1 and not isinstance(region.segmentation, dict):
        raise UserError("the picture is turned by its EXIF data, and nothing says the size that its polygons are for")
    return replace(region, height=frame.height, width=frame.width)


def mask_problems(
    pictures: Sequence[tuple[Path, Sequence[Region]]], progress: Callable[[int, int, str], None]
) -> list[str]:
    """What is wrong with the masks of pictures, each of which is opened; a sentence each."""
    problems = []
    for done, (file, regions) in enumerate(pictures, start=1):
        problems += fitted_masks(file, regions).problems
        progress(done, len(pictures), "looking at masks")
    return problems
