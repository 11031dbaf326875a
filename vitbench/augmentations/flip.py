"""Mirroring alone."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing

AUGMENTATION = AugmentationDeclaration(
    name="flip",
    summary="resized as for evaluation, every second one mirrored",
    compute="vitbench.augmentations.flip:changes",
    order=20,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Every second one mirrored."""
    from torchvision.transforms import RandomHorizontalFlip

    return [RandomHorizontalFlip()]
