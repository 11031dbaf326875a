"""Pictures of masks: which of their pixels are the object, whatever a program or a person saved them as."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitbench.data.pictures import load_picture, read_file

Mask = NDArray[np.bool_]

PHRASE = (
    "every pixel that is not 0 is the object; with soft edges, in floating point or in a JPEG, from half of the"
    " brightest on"
)
_OPAQUE = 128
_FEW_LEVELS = 8
"""Grey levels up to which a mask numbers its objects; a soft edge has more."""
_FLAT_SHARE = 0.5
"""The share of middle grey pixels that equal their neighbour from which on they are areas, and no edges."""


def mask_in(file: Path) -> Mask:
    """The object's pixels in a picture of a mask, bool [height, width]: those that are not 0.

    Of a trimap (in a folder of that name) they are those of 1, the foreground, and 3, the border that nobody drew; in a
    palette picture 255 is what nobody judged (PASCAL VOC). Of a cut-out they are those that are not transparent. Where
    grey lies between black and white at edges only (a soft brush, a mask that was scaled), and in JPEG, whose
    compression leaves noise around black, those of at least half of the brightest value count. Raises
    UnreadablePicture.
    """
    image = load_picture(read_file(file), str(file))
    values = np.asarray(image)
    if is_trimap(file) and set(np.unique(values).tolist()) <= {0, 1, 2, 3}:
        return np.asarray((values == 1) | (values == 3))
    if image.mode in ("RGBA", "LA", "PA") and not _is_constant(values[:, :, -1]):
        return np.asarray(values[:, :, -1] >= _OPAQUE)
    if image.mode == "P":
        covered = values != 0
        return np.asarray(covered & (values != 255) if set(np.unique(values).tolist()) - {0, 255} else covered)
    colours = values.reshape(*values.shape[:2], -1)
    brightness = colours[:, :, : 1 if image.mode == "LA" else 3].max(axis=2)
    if image.format in ("JPEG", "MPO") or image.mode == "F" or _has_soft_edges(image, brightness):
        if image.mode == "F":  # a probability of each pixel, whose background is hardly ever 0
            return np.asarray(brightness >= brightness.max() / 2) & np.asarray(brightness > 0)
        return np.asarray(brightness >= (int(brightness.max()) + 1) // 2) & np.asarray(brightness > 0)
    return np.asarray(brightness != 0)


def seems_inverted(mask: Mask) -> bool:
    """Whether a mask covers most of its picture and all of its edge, as one whose object is black does."""
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(mask.mean() > 0.5 and edge.all() and not mask.all())


def is_trimap(file: Path) -> bool:
    """Whether a mask is one of Oxford-IIIT Pet: 1 is the animal, 2 the background, 3 the border between."""
    return any(part.lower().startswith("trimap") for part in file.parent.parts)


def _is_constant(values: NDArray[np.uint8]) -> bool:
    return bool(values.size) and bool((values == values.flat[0]).all())


def _has_soft_edges(image: Image.Image, brightness: NDArray[np.uint8]) -> bool:
    """Whether values between black and white are a transition: many levels, hardly ever two alike side by side."""
    if image.mode not in ("L", "LA", "RGB", "RGBA") or brightness.max() < 128:
        return False
    if image.mode.startswith("RGB") and not _is_grey(np.asarray(image)):
        return False
    top = int(brightness.max())
    middle = (brightness > top // 8) & (brightness < top - top // 8)
    if len(np.unique(brightness[(brightness > 0) & (brightness < top)])) <= _FEW_LEVELS or not middle.any():
        return False
    pairs = middle[:, :-1] & middle[:, 1:]
    alike = (brightness[:, :-1] == brightness[:, 1:]) & pairs
    return bool(alike.sum() <= _FLAT_SHARE * max(1, int(pairs.sum())))


def _is_grey(values: NDArray[np.uint8]) -> bool:
    return bool((values[:, :, 0] == values[:, :, 1]).all() and (values[:, :, 0] == values[:, :, 2]).all())
