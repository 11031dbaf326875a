"""Random crops, then AutoAugment (ImageNet's policy)."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing
from vitbench.augmentations.crop_flip import changes as crop_and_flip

AUGMENTATION = AugmentationDeclaration(
    name="autoaugment",
    summary="crop-flip, then AutoAugment (ImageNet's policy)",
    compute="vitbench.augmentations.autoaugment:changes",
    crops=True,
    order=50,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Crop and mirror, then AutoAugment (Cubuk et al. 2019)."""
    from vitbench.data.auto_augment import ByteAutoAugment

    return [*crop_and_flip(preprocessing), ByteAutoAugment()]
