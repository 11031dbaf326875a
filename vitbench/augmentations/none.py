"""No augmentation."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing

AUGMENTATION = AugmentationDeclaration(
    name="none",
    summary="resized as for evaluation",
    compute="vitbench.augmentations.none:changes",
    order=10,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Nothing."""
    return []
