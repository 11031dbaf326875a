"""Augmentations by name: each is one file here, without torch at its top, or comes with an installed package."""

from vitbench.augmentations.base import AugmentationDeclaration
from vitbench.declarations import Declarations

AUGMENTATIONS = Declarations(
    "augmentation", AugmentationDeclaration, "vitbench.augmentations", "AUGMENTATION", lambda one: one.order
)
