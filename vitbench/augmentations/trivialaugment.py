"""Random crops, then TrivialAugment (1 operation of any magnitude)."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing
from vitbench.augmentations.crop_flip import changes as crop_and_flip

AUGMENTATION = AugmentationDeclaration(
    name="trivialaugment",
    summary="crop-flip, then TrivialAugment (1 operation of any magnitude)",
    compute="vitbench.augmentations.trivialaugment:changes",
    crops=True,
    order=70,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Crop and mirror, then TrivialAugment (Müller and Hutter 2021)."""
    from torchvision.transforms import TrivialAugmentWide

    return [*crop_and_flip(preprocessing), TrivialAugmentWide()]
