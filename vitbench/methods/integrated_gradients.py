"""Integrated gradients (Sundararajan et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import Method, Option

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="integrated_gradients",
    title="Integrated gradients",
    summary="input times the mean gradient on the way from a blank picture (Sundararajan et al. 2017)",
    compute="vitbench.methods.integrated_gradients:integrated_gradients",
    options=(
        Option("steps", "points of the quadrature", 32, least=1),
        Option(
            "baseline", "the blank picture: black, or the mean of normalisation", "black", choices=("black", "mean")
        ),
    ),
    signed=True,
    slow=True,
    needs_attention=False,
    needs_blocks=False,
    order=80,
)


def integrated_gradients(subject: Subject, *, steps: int = 32, baseline: str = "black") -> MethodResult:
    """(x - x') times the mean gradient on the straight way from a baseline x' (Sundararajan et al. 2017), summed over
    each patch; signed. The mean is taken by Gauss-Legendre quadrature of `steps` points.

    baseline: "black", or "mean", the value that normalisation makes 0. The completeness error is what is missing of
    y(x) - y(x'), relative to it (absolute below 1).
    """
    import numpy as np
    import torch

    from vitbench.attention.layout import pixel_sums
    from vitbench.attention.result import MethodResult
    from vitbench.attribution.perturbation import fill
    from vitbench.models.inference import require_gradient

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
