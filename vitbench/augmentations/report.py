"""What the student's report did."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing

AUGMENTATION = AugmentationDeclaration(
    name="report",
    summary="resized whatever the shape, then AutoAugment (ImageNet's policy)",
    compute="vitbench.augmentations.report:changes",
    squashes=True,
    order=30,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """AutoAugment (Cubuk et al. 2019) with ImageNet's policy."""
    from vitbench.data.auto_augment import ByteAutoAugment

    return [ByteAutoAugment()]
