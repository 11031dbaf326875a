"""Operations that compute what they always compute, bit for bit, with another backward pass: Libra's.

Written as autograd functions, since the same rules as tensor expressions round differently, take twice the time, and
keep twice the memory.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class HalfGradient(torch.autograd.Function):
    """A value; backward, half of what comes to it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] / 2


class Gated(torch.autograd.Function):
    """`function` of `values`, an activation with f(0) = 0, as `values` times the constant gate f(x) / x; where x is 0
    the gate is a half."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        output = function(values)
        ctx.save_for_backward(torch.where(values == 0, 0.5, output / values))
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gate,) = ctx.saved_tensors
        return gradients[0] * gate, None


class LayerNorm(torch.autograd.Function):
    """`F.layer_norm` with the deviation that it divides by held constant."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        normalized_shape: tuple[int, ...],
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> Tensor:
        ctx.over = tuple(range(-len(normalized_shape), 0))
        deviation = (values.var(dim=ctx.over, keepdim=True, unbiased=False) + eps).rsqrt()
        ctx.save_for_backward(deviation, weight)
        return F.layer_norm(values, normalized_shape, weight, bias, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        deviation, weight = ctx.saved_tensors
        slope = (gradients[0] if weight is None else gradients[0] * weight) * deviation
        return slope - slope.mean(dim=ctx.over, keepdim=True), None, None, None, None
