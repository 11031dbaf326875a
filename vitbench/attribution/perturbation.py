"""Maps from asking the network again: integrated gradients and occlusion. They work on any network."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.attention.layout import pixel_sums
from vitbench.attention.result import MethodResult
from vitbench.attention.subject import Subject
from vitbench.errors import UserError
from vitbench.models.inference import require_gradient

FILLS = ("black", "mean")
PICTURES_AT_ONCE = 16
_OPERATIONS_A_SECOND = 4e10
"""Of a small CPU, about."""


def integrated_gradients(subject: Subject, *, steps: int = 32, baseline: str = "black") -> MethodResult:
    """(x - x') times the mean gradient on the straight way from a baseline x' (Sundararajan et al. 2017), summed over
    each patch; signed. The mean is taken by Gauss-Legendre quadrature of `steps` points.

    baseline: "black", or "mean", the value that normalisation makes 0. The completeness error is what is missing of
    y(x) - y(x'), relative to it (absolute below 1).
    """
    if steps < 1:
        raise UserError(f"Integrated gradients needs at least one step, not {steps}.")
    origin = fill(subject, baseline)
    with torch.no_grad():
        logits = subject.module(subject.pixels)
        ground = subject.module(origin.expand_as(subject.pixels[:1]))
    targets = subject.targets(logits)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    mean_gradient = torch.zeros_like(subject.pixels)
    for number, (node, weight) in enumerate(zip((nodes + 1) / 2, weights / 2, strict=True)):
        subject.progress(number, steps, "Integrated gradients")
        with torch.enable_grad():
            point = require_gradient(origin + float(node) * (subject.pixels - origin))
            score = subject.module(point).gather(1, targets[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, point)
        mean_gradient += float(weight) * gradient
    attribution = (subject.pixels - origin) * mean_gradient
    promised = (logits.double() - ground.double()).gather(1, targets[:, None])[:, 0]
    error = (attribution.flatten(1).sum(dim=1, dtype=torch.float64) - promised).abs() / promised.abs().clamp(min=1)
    return MethodResult(pixel_sums(attribution, subject.grid), logits, error, {"steps": steps, "baseline": baseline})


def occlusion(subject: Subject, *, window: int = 1, fill_with: str = "mean") -> MethodResult:
    """How much the target logit falls when a patch is blanked (Zeiler and Fergus 2014); signed, a forward a patch.

    window: the side, in patches, of the square that is blanked around each patch (odd). fill_with: "black", or
    "mean", the value that normalisation makes 0.
    """
    if window < 1 or window % 2 == 0:
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


def fill(subject: Subject, name: str) -> Tensor:
    """The normalised value [3, 1, 1] of a blank pixel. Raises UserError for an unknown name."""
    if name not in FILLS:
        raise UserError(f"A pixel is blanked with {' or '.join(FILLS)}, not with {name!r}.")
    return subject.black if name == "black" else torch.zeros_like(subject.black)


def _occluded(sample: Tensor, origin: Tensor, patch: tuple[int, int], grid: tuple[int, int], window: int) -> Tensor:
    blanked = torch.zeros(grid, device=sample.device)
    reach = window // 2
    row, column = patch
    blanked[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = 1
    where = F.interpolate(blanked[None, None], sample.shape[-2:], mode="nearest")[0].bool()
    return torch.where(where, origin, sample)
