"""Random crops, then RandAugment (2 operations, magnitude 9 of 30)."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing
from vitbench.augmentations.crop_flip import changes as crop_and_flip

AUGMENTATION = AugmentationDeclaration(
    name="randaugment",
    summary="crop-flip, then RandAugment (2 operations, magnitude 9 of 30)",
    compute="vitbench.augmentations.randaugment:changes",
    crops=True,
    order=60,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Crop and mirror, then RandAugment (Cubuk et al. 2020)."""
    from torchvision.transforms import RandAugment

    return [*crop_and_flip(preprocessing), RandAugment()]
