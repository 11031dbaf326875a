"""Libra FullGrad+ (Mehri et al. 2025): gradients that add up to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="libra",
    title="Libra FullGrad+",
    summary="gradients that add up to the logit, over all blocks and biases (Mehri et al. 2025)",
    compute="vitbench.methods.libra:libra",
    signed=True,
    needs_attention=False,
    order=70,
)

MOST_MOVED = 1e-3
"""How far the logits may be from those of a plain forward, relative to the largest."""


def libra(subject: Subject) -> MethodResult:
    """The sum over blocks of (x dy/dx) over channels, plus the terms of all biases and other constants that have a
    place on the picture; signed.

    The completeness error compares the logit with pixels x gradient plus all constants x gradient; it is relative to
    the logit, or absolute where the logit is below 1.
    """
    import torch

    from vitbench.attention.layout import blocks_of, total_on
    from vitbench.attention.result import MethodResult
    from vitbench.attribution.libra import LibraHooks
    from vitbench.errors import UserError
    from vitbench.methods import on_any_network
    from vitbench.models.inference import require_gradient

    with torch.enable_grad():
        pixels = require_gradient(subject.pixels)
        with LibraHooks(subject.module, blocks_of(subject.module, subject.backbone), pixels) as hooks:
            logits = subject.module(pixels)
        (gradient,) = torch.autograd.grad(subject.score(logits), pixels)
    with torch.no_grad():
        moved = float((subject.module(subject.pixels) - logits).abs().max() / logits.abs().max().clamp(min=1))
    if moved > MOST_MOVED:
        raise UserError(
            f"{subject.name} gives other logits while Libra watches it (by {moved:.1%}), so the map is not to be"
            f" trusted; {on_any_network()}."
        )
    if not hooks.input_maps:
        raise UserError(f"The blocks of {subject.name} do not lie on one grid; {on_any_network()}.")
    first_block = hooks.input_maps[-1]
    grid = (first_block.shape[1], first_block.shape[2])
    maps = total_on(grid, hooks.input_maps + hooks.constant_maps)
    # In float64: float32 sums near the logit are so coarse that they often equal it by chance.
    attributed = (subject.pixels * gradient).flatten(1).sum(dim=1, dtype=torch.float64) + hooks.constant_sum
    chosen = logits.detach().gather(1, subject.targets(logits)[:, None])[:, 0].double()
    error = (attributed - chosen).abs() / chosen.abs().clamp(min=1)
    return MethodResult(maps, logits.detach(), error)
