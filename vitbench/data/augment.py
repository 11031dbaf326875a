"""What an augmentation does to a training picture, as a function of seed, epoch and index."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from vitbench.augmentations import AUGMENTATIONS
from vitbench.data.auto_augment import ByteAutoAugment
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.randomness import SAMPLE, torch_seeded
from vitbench.data.resizing import FixedResize, Resizing, ShortSide

Change = Callable[[Any], Any]
"""From a Pillow picture to another; ByteAutoAugment takes and gives arrays too."""


@dataclass(frozen=True)
class Augmentation:
    """What happens to each picture: a fixed resize first, which can be cached; then random changes, then erasing."""

    name: str
    preprocessing: Preprocessing
    first: Resizing
    changes: tuple[Change, ...]
    random_erasing: float = 0.0

    @property
    def is_random(self) -> bool:
        """Whether two epochs can differ."""
        return bool(self.changes) or self.random_erasing > 0

    def apply(self, pixels: np.ndarray, *, seed: int, epoch: int, index: int) -> np.ndarray:
        """uint8 [height, width, 3] of the network's size, from what the first resize left of one picture.

        The result is a function of the arguments. torch's global generator is left as it was.
        """
        if not self.is_random:
            return pixels
        with torch_seeded(SAMPLE, seed, epoch, index):
            picture: Image.Image | np.ndarray = pixels
            for change in self.changes:
                if isinstance(picture, np.ndarray) and not isinstance(change, ByteAutoAugment):
                    picture = Image.fromarray(picture)
                picture = change(picture)
            return self._erased(np.asarray(picture))

    def _erased(self, pixels: np.ndarray) -> np.ndarray:
        """With the probability of `random_erasing`, a rectangle (2 to 33% of the area) shows the mean colour.

        Random erasing of Zhong et al. 2017; the mean colour is zero after normalisation.
        """
        if self.random_erasing == 0 or float(torch.rand(())) >= self.random_erasing:
            return pixels
        channels_first = torch.from_numpy(pixels.copy()).movedim(-1, 0)
        top, left, height, width, _ = transforms.RandomErasing.get_params(
            channels_first, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=[0.0]
        )
        erased = pixels.copy()
        erased[top : top + height, left : left + width] = np.round(np.multiply(self.preprocessing.mean, 255))
        return erased


def augmentation(name: str, preprocessing: Preprocessing, *, random_erasing: float = 0.0) -> Augmentation:
    """The augmentation of that name for a network. Raises UserError for a name that there is not."""
    declared = AUGMENTATIONS.find(name)
    if declared.squashes:
        preprocessing = replace(preprocessing, resize="squash", crop_fraction=1.0)
    return Augmentation(
        name=name,
        preprocessing=preprocessing,
        first=ShortSide.for_crops(preprocessing) if declared.crops else FixedResize(preprocessing),
        changes=declared.changes(preprocessing),
        random_erasing=random_erasing,
    )
