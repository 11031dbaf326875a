"""AutoAugment (Cubuk et al. 2019) on bytes: torchvision's draws and, to the bit, its pictures, in less time.

Operations on single bits of a byte are done on the array, where they equal Pillow's; the others are Pillow's own. A
picture becomes one of Pillow only where it has to, and is an array again only where that is needed. Pictures are
changed one after the other: grouped by operation, each is copied out of its batch and back, which takes longer on a
CPU than the operation.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms.autoaugment import _apply_op

Picture = np.ndarray | Image.Image
"""uint8 [height, width, 3], or the same as Pillow has it."""
_BINS = 10
"""Magnitudes that torchvision's policies count in."""


def _posterize(pixels: np.ndarray, bits: float) -> np.ndarray:
    return pixels & np.uint8(256 - 2 ** (8 - int(bits)))


def _solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    bright = (pixels >= math.ceil(threshold)).view(np.uint8)
    return pixels ^ np.negative(bright)  # 255 - x is x with all bits turned, and -1 is all bits


def _invert(pixels: np.ndarray, _: float) -> np.ndarray:
    return ~pixels


ON_BYTES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "Posterize": _posterize,
    "Solarize": _solarize,
    "Invert": _invert,
}
"""Operations on uint8 arrays of any shape, with their magnitude; each gives a new array."""


class ByteAutoAugment(AutoAugment):
    """As torchvision's, for arrays too."""

    def drawn(self, height: int, width: int) -> list[tuple[str, float]]:
        """The operations for the next picture, with their magnitudes, from torch's global generator."""
        number, chances, signs = self.get_params(len(self.policies))
        operations = []
        for (name, probability, place), chance, sign in zip(self.policies[number], chances, signs, strict=True):
            if chance <= probability:
                magnitudes, signed = _space(self.policy, height, width)[name]
                magnitude = magnitudes[place] if place is not None else 0.0
                operations.append((name, -magnitude if signed and not sign else magnitude))
        return operations

    def forward(self, picture: Picture) -> Picture:
        """The picture changed, as an array or as one of Pillow, whatever came out; what is given is left as it is."""
        width, height = picture.size if isinstance(picture, Image.Image) else picture.shape[1::-1]
        for name, magnitude in self.drawn(height, width):
            if name in ON_BYTES:
                picture = ON_BYTES[name](np.asarray(picture), magnitude)
            else:
                known = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
                picture = _apply_op(known, name, magnitude, interpolation=self.interpolation, fill=self.fill)
        return picture


@lru_cache(maxsize=16)
def _space(policy: AutoAugmentPolicy, height: int, width: int) -> dict[str, tuple[list[float], bool]]:
    """The magnitudes of each operation for pictures of a size, and whether a sign is drawn."""
    space = AutoAugment(policy)._augmentation_space(_BINS, (height, width))
    return {name: (magnitudes.reshape(-1).tolist(), signed) for name, (magnitudes, signed) in space.items()}
