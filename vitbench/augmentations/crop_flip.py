"""Random crops, mirrored or not: how most networks on ImageNet are trained."""

from typing import TYPE_CHECKING

from vitbench.augmentations.base import AugmentationDeclaration, Change

if TYPE_CHECKING:
    from vitbench.data.preprocessing import Preprocessing

AUGMENTATION = AugmentationDeclaration(
    name="crop-flip",
    summary="a random part (8 to 100% of the area), every second one mirrored",
    compute="vitbench.augmentations.crop_flip:changes",
    crops=True,
    order=40,
)


def changes(preprocessing: "Preprocessing") -> list[Change]:
    """Inception's crop at the network's size, then every second one mirrored."""
    from torchvision.transforms import InterpolationMode, RandomHorizontalFlip, RandomResizedCrop

    size = preprocessing.height, preprocessing.width
    crop = RandomResizedCrop(size, interpolation=InterpolationMode(preprocessing.interpolation))
    return [crop, RandomHorizontalFlip()]
