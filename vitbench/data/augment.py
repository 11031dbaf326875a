"""Augmentations by name: what is done to a training picture, as a function of seed, epoch and index."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from vitbench.data.preprocessing import Preprocessing
from vitbench.data.randomness import SAMPLE, torch_seeded
from vitbench.data.resizing import FixedResize, Resizing, ShortSide
from vitbench.errors import UserError

AUGMENTATIONS = {
    "none": "resized as for evaluation",
    "flip": "resized as for evaluation, every second one mirrored",
    "report": "resized whatever the shape, then AutoAugment (ImageNet's policy)",
    "crop-flip": "a random part (8 to 100% of the area), every second one mirrored",
    "autoaugment": "crop-flip, then AutoAugment (ImageNet's policy)",
    "randaugment": "crop-flip, then RandAugment (2 operations, magnitude 9 of 30)",
    "trivialaugment": "crop-flip, then TrivialAugment (1 operation of any magnitude)",
}

Change = Callable[[Image.Image], Image.Image]


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
            if self.changes:
                picture = Image.fromarray(pixels)
                for change in self.changes:
                    picture = change(picture)
                pixels = np.asarray(picture)
            return self._erased(pixels)

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
    if name not in AUGMENTATIONS:
        raise UserError(f"There is no augmentation {name!r}; choose {', '.join(AUGMENTATIONS)}.")
    if name == "report":
        # The report's Resize((384, 384)) squashes, whatever the network's authors did.
        preprocessing = replace(preprocessing, resize="squash", crop_fraction=1.0)
    fixed = name in ("none", "flip", "report")
    return Augmentation(
        name=name,
        preprocessing=preprocessing,
        first=FixedResize(preprocessing) if fixed else ShortSide.for_crops(preprocessing),
        changes=_changes(name, preprocessing),
        random_erasing=random_erasing,
    )


def _changes(name: str, preprocessing: Preprocessing) -> tuple[Change, ...]:
    flip = transforms.RandomHorizontalFlip()
    if name == "none":
        return ()
    if name == "flip":
        return (flip,)
    if name == "report":
        return (transforms.AutoAugment(transforms.AutoAugmentPolicy.IMAGENET),)
    size = preprocessing.height, preprocessing.width
    interpolation = transforms.InterpolationMode(preprocessing.interpolation)
    crop = transforms.RandomResizedCrop(size, interpolation=interpolation)
    policies = {
        "crop-flip": (),
        "autoaugment": (transforms.AutoAugment(transforms.AutoAugmentPolicy.IMAGENET),),
        "randaugment": (transforms.RandAugment(),),
        "trivialaugment": (transforms.TrivialAugmentWide(),),
    }
    return (crop, flip, *policies[name])
