"""What the student's report did."""

from typing import Any

from vitbench.augmentations.base import AugmentationDeclaration

AUGMENTATION = AugmentationDeclaration(
    name="report",
    summary="resized whatever the shape, then AutoAugment (ImageNet's policy)",
    compute="vitbench.augmentations.report:changes",
    squashes=True,
    order=30,
)


def changes(preprocessing: Any) -> list[Any]:
    """AutoAugment (Cubuk et al. 2019) with ImageNet's policy."""
    from vitbench.data.auto_augment import ByteAutoAugment

    return [ByteAutoAugment()]
