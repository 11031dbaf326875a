"""From a picture to what the network sees: one description for training, evaluation and every explanation."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image

from vitbench.errors import UserError

Resize = Literal["squash", "crop"]
Box = tuple[float, float, float, float]

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop and normalise, as the network's authors did when they evaluated it.

    `squash` resizes both sides, whatever the picture's shape. `crop` keeps the shape: it resizes until the picture
    covers the target and cuts the centre out. With `crop_fraction` below 1 the picture is first made larger by
    1 / crop_fraction, and the centre is cut out. Pixels are equal to timm's evaluation transform.
    `mean` and `std` are per channel, for values from 0 to 1. `value_range` is what was black and white in training
    pictures of more than 8 bits.
    """

    height: int
    width: int
    resize: Resize = "squash"
    crop_fraction: float = 1.0
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise UserError(
                f"A network cannot see pictures of {self.height}x{self.width}: both sides must be positive."
            )
        if self.resize not in get_args(Resize):
            raise UserError(f"resize is {self.resize!r}; it must be squash or crop.")
        if not 0 < self.crop_fraction <= 1:
            raise UserError(f"crop_fraction is {self.crop_fraction}; it must be above 0 and at most 1.")
        if self.interpolation not in INTERPOLATIONS:
            raise UserError(f"There is no interpolation {self.interpolation!r}; choose {', '.join(INTERPOLATIONS)}.")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"Normalisation needs three means and three positive deviations, not {self.mean}, {self.std}."
            )

    def resized(self, picture: Image.Image) -> np.ndarray:
        """The picture as the network sees it before normalisation, uint8 [height, width, 3]. `picture` is RGB."""
        (scaled_width, scaled_height), (left, top) = self._placement(*picture.size)
        if picture.size != (scaled_width, scaled_height):
            picture = picture.resize((scaled_width, scaled_height), INTERPOLATIONS[self.interpolation])
        return np.asarray(picture.crop((left, top, left + self.width, top + self.height)))

    def normalize(self, pixels: torch.Tensor | np.ndarray) -> torch.Tensor:
        """float32 [..., 3, height, width] from uint8 [..., height, width, 3], on the device where `pixels` are.

        Bit for bit torchvision's `ToTensor` and `Normalize`.
        """
        if isinstance(pixels, torch.Tensor) and pixels.is_cuda:
            on_device = pixels.movedim(-1, -3).float().div_(255)
            for channel, (mean, std) in enumerate(zip(self.mean, self.std, strict=True)):
                on_device[..., channel, :, :].sub_(mean).div_(std)
            return on_device
        # On a CPU NumPy takes fewer passes over memory than torch: bytes become floats while they are divided, a
        # picture at a time, which stays in the processor's cache; and it asks the system for large pages.
        array = pixels if isinstance(pixels, np.ndarray) else pixels.numpy()
        *leading, height, width, channels = array.shape
        normalized = np.empty((*leading, channels, height, width), dtype=np.float32)
        count = math.prod(leading)
        pictures, targets = (
            array.reshape(count, height, width, channels),
            normalized.reshape(count, channels, height, width),
        )
        for picture, target in zip(pictures, targets, strict=True):
            planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
            for plane, out, mean, std in zip(planes, target, self.mean, self.std, strict=True):
                np.true_divide(plane, np.float32(255), out=out, dtype=np.float32)
                out -= np.float32(mean)
                out /= np.float32(std)
        return torch.from_numpy(normalized)

    def box(self, width: int, height: int) -> Box:
        """The part of a `width` x `height` picture that the network sees: left, top, right, bottom in its pixels."""
        (scaled_width, scaled_height), (left, top) = self._placement(width, height)
        across, down = width / scaled_width, height / scaled_height
        return left * across, top * down, (left + self.width) * across, (top + self.height) * down

    def describe(self) -> str:
        """What happens to a picture, as one sentence."""
        if self.resize == "squash" and self.crop_fraction == 1:
            shape = f"resized to {self.height}x{self.width} whatever its shape"
        elif self.resize == "squash":
            shape = f"resized whatever its shape, its centre {self.height}x{self.width} cut out"
        else:
            shape = f"resized in its shape, its centre {self.height}x{self.width} cut out"
        seen = f" ({self.crop_fraction:.1%} of the side)" if self.crop_fraction < 1 else ""
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        return f"Each picture is {shape}{seen}, {self.interpolation}; normalised by mean {mean} and deviation {std}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        value_range = values.pop("value_range")
        return values if value_range is None else values | {"value_range": list(value_range)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """What `to_dict` wrote. Raises UserError if it does not fit."""
        try:
            given = dict(values) | {"mean": tuple(values["mean"]), "std": tuple(values["std"])}
            if given.get("value_range") is not None:
                low, high = given["value_range"]
                given["value_range"] = float(low), float(high)
            return cls(**given)
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(f"This is not a description of a preprocessing ({error}).") from error

    def _placement(self, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Size (width, height) after the resize, and the corner (left, top) of the part that is cut out of it."""
        scaled_height = math.floor(self.height / self.crop_fraction)
        scaled_width = math.floor(self.width / self.crop_fraction)
        if self.resize == "crop":
            if scaled_height == scaled_width:
                # torchvision's Resize with one number: the short side is exact, the long side rounds down.
                short, long = min(width, height), max(width, height)
                grown = int(scaled_height * long / short)
                scaled_width, scaled_height = (scaled_width, grown) if width <= height else (grown, scaled_height)
            else:
                # timm's ResizeKeepRatio: one factor, the larger, so that both sides cover the target.
                factor = min(height / scaled_height, width / scaled_width)
                scaled_width, scaled_height = round(width / factor), round(height / factor)
        corner = round((scaled_width - self.width) / 2.0), round((scaled_height - self.height) / 2.0)
        return (scaled_width, scaled_height), corner
