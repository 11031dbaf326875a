"""The first step of every pipeline: a fixed resize, without chance, whose result can be cached."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from vitbench.data.preprocessing import INTERPOLATIONS, Preprocessing


class Resizing(Protocol):
    """What a decoded cache holds: each picture after this."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Height and width of what becomes of a `width` x `height` picture."""

    def apply(self, picture: Image.Image) -> np.ndarray:
        """uint8 [height, width, 3] of an RGB picture."""

    @property
    def key(self) -> str:
        """Everything that the result depends on besides the picture."""


@dataclass(frozen=True)
class FixedResize:
    """To the network's size, as for evaluation."""

    preprocessing: Preprocessing

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The same for every picture."""
        return self.preprocessing.height, self.preprocessing.width

    def apply(self, picture: Image.Image) -> np.ndarray:
        """As `Preprocessing.resized`."""
        return self.preprocessing.resized(picture)

    @property
    def key(self) -> str:
        """Mean and deviation are not part of it: they come later."""
        chosen = self.preprocessing
        return f"{chosen.resize} {chosen.height}x{chosen.width} {chosen.crop_fraction!r} {chosen.interpolation}"


@dataclass(frozen=True)
class ShortSide:
    """Shrunk in its shape until the short side is `pixels`; a smaller picture stays as it is. Before random crops."""

    pixels: int
    interpolation: str

    @classmethod
    def for_crops(cls, preprocessing: Preprocessing) -> "ShortSide":
        """A third larger than the network's pictures (384 to 512, 224 to 304): most random crops then lose nothing."""
        wanted = max(preprocessing.height, preprocessing.width) * 4 / 3
        return cls(-(-round(wanted) // 16) * 16, preprocessing.interpolation)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The long side is rounded."""
        short = min(width, height)
        if short <= self.pixels:
            return height, width
        return round(height * self.pixels / short), round(width * self.pixels / short)

    def apply(self, picture: Image.Image) -> np.ndarray:
        """uint8 [height, width, 3], resized with the network's interpolation."""
        height, width = self.size(*picture.size)
        if picture.size != (width, height):
            picture = picture.resize((width, height), INTERPOLATIONS[self.interpolation])
        return np.asarray(picture)

    @property
    def key(self) -> str:
        """Side and interpolation."""
        return f"short side {self.pixels} {self.interpolation}"
