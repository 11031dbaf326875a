"""What an augmentation is: a declaration without torch, which recipes, commands and documentation read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from vitbench.declarations import loaded

if TYPE_CHECKING:
    from PIL.Image import Image

    from vitbench.data.preprocessing import Preprocessing

Change: TypeAlias = "Callable[[Image], Image]"
"""A random change of a Pillow picture."""


@dataclass(frozen=True)
class AugmentationDeclaration:
    """What may be done to training pictures. Each is one file of `vitbench/augmentations/`, or an entry point
    `vitbench.augmentations` of a package.

    `compute` is `module:function`: from the network's Preprocessing to the random changes, functions from a Pillow
    picture to another, applied in order. All their randomness comes from torch's global generator, which is seeded for
    each picture. What they give has the network's size.
    """

    name: str
    summary: str
    compute: str
    crops: bool = False
    """Whether a change cuts out a part: pictures are then not resized to the network's size before, only shrunk."""
    squashes: bool = False
    """Whether the resize before ignores the picture's shape, whatever the network's authors did."""
    order: int = 1000
    """Where it stands in lists."""

    def changes(self, preprocessing: "Preprocessing") -> tuple[Change, ...]:
        """The random changes for a network, imported now."""
        return tuple(loaded(self.compute)(preprocessing))
