"""Maps from asking the network again: integrated gradients and occlusion. They work on any network."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.errors import UserError
from vitbench.explain.layout import pixel_sums
from vitbench.explain.quiet import require_gradient
from vitbench.explain.result import MethodResult
from vitbench.explain.subject import Subject

FILLS = ("black", "mean")
PICTURES_AT_ONCE = 16


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
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
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
    with torch.no_grad():
        logits = subject.module(subject.pixels)
        targets = subject.targets(logits)
        falls = []
        for sample, target, whole in zip(subject.pixels, targets, logits, strict=True):
            blanked = [
                _occluded(sample, origin, (row, column), (rows, columns), window)
                for row in range(rows)
                for column in range(columns)
            ]
            scores = [subject.module(torch.stack(part))[:, target] for part in _parts(blanked, PICTURES_AT_ONCE)]
            falls.append((whole[target] - torch.cat(scores)).view(rows, columns))
    return MethodResult(torch.stack(falls), logits, facts={"window": window, "fill_with": fill_with})


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


def _parts(pictures: list[Tensor], size: int) -> list[list[Tensor]]:
    return [pictures[start : start + size] for start in range(0, len(pictures), size)]
