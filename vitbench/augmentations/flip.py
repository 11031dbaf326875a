"""Mirroring alone."""

from typing import Any

from vitbench.augmentations.base import AugmentationDeclaration

AUGMENTATION = AugmentationDeclaration(
    name="flip",
    summary="resized as for evaluation, every second one mirrored",
    compute="vitbench.augmentations.flip:changes",
    order=20,
)


def changes(preprocessing: Any) -> list[Any]:
    """Every second one mirrored."""
    from torchvision.transforms import RandomHorizontalFlip

    return [RandomHorizontalFlip()]
