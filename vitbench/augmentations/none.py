"""No augmentation."""

from typing import Any

from vitbench.augmentations.base import AugmentationDeclaration

AUGMENTATION = AugmentationDeclaration(
    name="none",
    summary="resized as for evaluation",
    compute="vitbench.augmentations.none:changes",
    order=10,
)


def changes(preprocessing: Any) -> list[Any]:
    """Nothing."""
    return []
