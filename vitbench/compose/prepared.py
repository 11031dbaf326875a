"""A picture as a person sees it and as a network does, and a network's classes by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from PIL import Image
from torch import Tensor

from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.figures.raster import Box, Picture
from vitbench.models.network import Network
from vitbench.nearest import perhaps

PANEL_SIDE = 320
"""The longer side in pixels of a picture's panel, on the screen and in figures."""


@dataclass(frozen=True)
class PreparedPicture:
    """`shown` uint8 [height, width, 3]; `box` is the network's part of it, in its pixels; `pixels` [1, 3, H, W]."""

    file: str
    shown: Picture
    box: Box
    pixels: Tensor


def prepare_picture(file: str, preprocessing: Preprocessing, side: int = PANEL_SIDE) -> PreparedPicture:
    """Opens a picture; `shown` is scaled so that its longer side is `side` pixels."""
    picture = open_picture(file, preprocessing.value_range)
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    shown = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    left, top, right, bottom = preprocessing.box(*picture.size)
    across, down = size[0] / picture.width, size[1] / picture.height
    return PreparedPicture(
        file,
        shown,
        (left * across, top * down, right * across, bottom * down),
        preprocessing.normalize(preprocessing.resized(picture))[None],
    )


def chosen_preprocessing(own: Preprocessing, choice: str) -> Preprocessing:
    """The network's own, or the report's: squashed to 8/7 of the network's size (256 for 224), the centre cut out."""
    if choice == "own":
        return own
    return Preprocessing(own.height, own.width, "squash", 0.875, "bilinear", own.mean, own.std)


def class_number(target: str | None, network: Network) -> int | None:
    """A class by its number or its name. Raises UserError for a name that the network does not have."""
    if target is None:
        return None
    if network.labels and target in network.labels:
        return network.labels.index(target)
    if target.isdigit():
        return int(target)
    if not network.labels:
        raise UserError(f"{network.name} has no class {target!r}, since its classes are numbers.")
    near = perhaps(target, network.labels)
    some = ", ".join(network.labels[:8]) + (" ..." if len(network.labels) > 8 else ".")
    raise UserError(f"{network.name} has no class {target!r}{near}; it has {some}")


def class_name(number: int, network: Network) -> str:
    """The class's label, or its number where there is none."""
    return network.labels[number] if network.labels and number < len(network.labels) else f"class {number}"


Guess = TypedDict("Guess", {"class": int, "label": str, "probability": float, "value": float}, total=False)
"""A class that a network thinks likely; `value` in place of `probability` where it has one output."""


def top_classes(logits: Tensor, network: Network, count: int = 5) -> list[Guess]:
    """The likeliest classes of one picture, logits [C]: class, label, probability; of several labels each by itself.

    Empty for a network without classes; a network of one output has a `value` in place of a probability.
    """
    if network.no_classes:
        return []
    if network.num_classes == 1:
        label = network.labels[0] if network.labels else "output"
        return [{"class": 0, "label": label, "value": float(logits[0])}]
    probabilities, classes = network.probabilities(logits).topk(min(count, len(logits)))
    return [
        {"class": int(number), "label": class_name(int(number), network), "probability": float(probability)}
        for number, probability in zip(classes, probabilities, strict=True)
    ]


def likeliest(top: Sequence[Guess]) -> str:
    """The first of `top_classes` in words."""
    return guess_in_words(top[0]) if top else "no classes"


def guess_in_words(guess: Guess, digits: int = 1) -> str:
    """One entry of `top_classes`: `cat 93.1%`, or `output 1.34` where there is only one output."""
    if "probability" not in guess:
        return f"{guess['label']} {guess['value']:.4g}"
    return f"{guess['label']} {guess['probability']:.{digits}%}"
