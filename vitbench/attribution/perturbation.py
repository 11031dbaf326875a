"""What a blank pixel is, for methods and measures that blank parts of a picture."""

import torch
from torch import Tensor

from vitbench.attention.subject import Subject
from vitbench.errors import UserError

FILLS = ("black", "mean")


def fill(subject: Subject, name: str) -> Tensor:
    """The normalised value [3, 1, 1] of a blank pixel. Raises UserError for an unknown name."""
    if name not in FILLS:
        raise UserError(f"A pixel is blanked with {' or '.join(FILLS)}, not with {name!r}.")
    return subject.black if name == "black" else torch.zeros_like(subject.black)
