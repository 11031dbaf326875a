"""Occlusion (Zeiler and Fergus 2014): what the answer loses when a patch is blanked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import Method, Option

if TYPE_CHECKING:
    from torch import Tensor

    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="occlusion",
    title="Occlusion",
    summary="how much the logit falls when a patch is blanked (Zeiler and Fergus 2014)",
    compute="vitbench.methods.occlusion:occlusion",
    options=(
        Option("window", "side in patches of the square that is blanked, odd", 1, least=1),
        Option("fill_with", "what is blanked: black, or the mean of normalisation", "mean", choices=("black", "mean")),
    ),
    signed=True,
    slow=True,
    needs_attention=False,
    needs_blocks=False,
    quantity="Fall of the logit",
    order=90,
)

PICTURES_AT_ONCE = 16
_OPERATIONS_A_SECOND = 4e10
"""Of a small CPU, about."""


def occlusion(subject: Subject, *, window: int = 1, fill_with: str = "mean") -> MethodResult:
    """How much the target logit falls when a patch is blanked (Zeiler and Fergus 2014); signed, a forward a patch.

    window: the side, in patches, of the square that is blanked around each patch (odd). fill_with: "black", or
    "mean", the value that normalisation makes 0. Raises UserError for an even window.
    """
    import torch

    from vitbench.attention.result import MethodResult
    from vitbench.attribution.perturbation import fill
    from vitbench.errors import UserError

    if window % 2 == 0:
        raise UserError(f"Occlusion blanks a square of 1, 3, 5 ... patches, not {window}.")
    origin = fill(subject, fill_with)
    rows, columns = subject.grid
    count, done = rows * columns, 0
    with torch.no_grad():
        logits = subject.module(subject.pixels)
        targets = subject.targets(logits)
        falls = torch.zeros(len(targets), count, device=logits.device, dtype=logits.dtype)
        at_once = _pictures_at_once(subject)
        for sample, target, fall, whole in zip(subject.pixels, targets, falls, logits, strict=True):
            for start in range(0, count, at_once):
                subject.progress(done, count * len(targets), "Occlusion")
                patches = [divmod(number, columns) for number in range(start, min(start + at_once, count))]
                blanked = torch.stack([_occluded(sample, origin, patch, (rows, columns), window) for patch in patches])
                fall[start : start + len(patches)] = whole[target] - subject.module(blanked)[:, target]
                done += len(patches)
    return MethodResult(falls.unflatten(1, (rows, columns)), logits, facts={"window": window, "fill_with": fill_with})


def _pictures_at_once(subject: Subject) -> int:
    """How many blanked pictures one pass takes: on a CPU what takes a tenth of a second or so, so that a person who has
    left does not wait; at most 16, so that memory is bounded. It depends on the network alone: so do the map's bits."""
    if subject.pixels.is_cuda:
        return PICTURES_AT_ONCE
    weights = sum(parameter.numel() for parameter in subject.module.parameters())
    operations = 2 * weights * subject.grid[0] * subject.grid[1]
    return max(1, min(PICTURES_AT_ONCE, int(0.1 * _OPERATIONS_A_SECOND / max(1, operations))))


def _occluded(sample: Tensor, origin: Tensor, patch: tuple[int, int], grid: tuple[int, int], window: int) -> Tensor:
    import torch
    import torch.nn.functional as F

    blanked = torch.zeros(grid, device=sample.device)
    reach = window // 2
    row, column = patch
    blanked[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = 1
    where = F.interpolate(blanked[None, None], sample.shape[-2:], mode="nearest")[0].bool()
    return torch.where(where, origin, sample)
