"""Libra FullGrad+ (Mehri et al., "LibraGrad", 2025): gradients that add up to the answer.

The forward pass stays the network's own. In the backward pass whatever is not linear (softmax, the denominator
of a norm, the gate of an activation) is held constant, and products of two values that both depend on the picture
hand half to each. What is left is linear piece by piece, so input x gradient and constant x gradient sum to the logit.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.attention.layout import on_grid
from vitbench.attribution.constant_gates import Gated, HalfGradient, LayerNorm
from vitbench.models.unfused import SOFTMAX_CALLS, UnfusedForward

ACTIVATIONS = (F.gelu, F.silu, F.mish, F.hardswish, F.elu, F.selu)
"""Functions f with f(0) = 0, taken as x times the gate f(x) / x."""

CONSTANT_IN_BACKWARD = (
    *SOFTMAX_CALLS,
    torch.sigmoid,
    Tensor.sigmoid,
    F.sigmoid,
    torch.tanh,
    Tensor.tanh,
    F.tanh,
    F.hardsigmoid,
    torch.exp,
    Tensor.exp,
    torch.sqrt,
    Tensor.sqrt,
    torch.rsqrt,
    Tensor.rsqrt,
)
"""Gates, denominators and attention: what they give is used, never differentiated."""

ADDITIONS = (Tensor.add, Tensor.__add__, Tensor.__radd__, torch.add)
ADDITIONS_IN_PLACE = (Tensor.add_, Tensor.__iadd__)
SUBTRACTIONS = (Tensor.sub, Tensor.__sub__, torch.sub)
PRODUCTS = (Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.mul)
PRODUCTS_IN_PLACE = (Tensor.mul_, Tensor.__imul__)
MATRIX_PRODUCTS = (Tensor.matmul, Tensor.__matmul__, torch.matmul, torch.bmm, Tensor.bmm)
DIVISIONS = (Tensor.div, Tensor.__truediv__, torch.div)


class LibraHooks(UnfusedForward):
    """A forward pass whose graph has balanced gradients.

    After `torch.autograd.grad`, in the order of the backward pass: `input_maps` holds x dy/dx of each block's input,
    summed over channels, [B, rows, columns]; `constant_maps` the same of each bias and other constant that acts on
    places of the picture; `constant_sum` float64 [B] the sum of all constants' terms.
    """

    def __init__(self, module: nn.Module, blocks: Sequence[nn.Module], pixels: Tensor) -> None:
        super().__init__(module)
        self.blocks = blocks
        self.size = int(pixels.shape[-2]), int(pixels.shape[-1])
        self.input_maps: list[Tensor] = []
        self.constant_maps: list[Tensor] = []
        self.constant_sum = pixels.new_zeros(pixels.shape[0], dtype=torch.float64)
        self.rules |= {
            F.linear: self._linear,
            F.conv2d: self._conv,
            F.layer_norm: self._layer_norm,
            F.group_norm: self._group_norm,
            F.rms_norm: self._rms_norm,
            F.batch_norm: self._batch_norm,
            F.normalize: _normalize,
            torch.cat: self._cat,
        }
        self.rules |= dict.fromkeys(ADDITIONS, self._add)
        self.rules |= dict.fromkeys(ADDITIONS_IN_PLACE, _in_place(self._add))
        self.rules |= dict.fromkeys(PRODUCTS_IN_PLACE, _in_place(_balanced(torch.mul)))
        self.rules |= dict.fromkeys(SUBTRACTIONS, self._subtract)
        self.rules |= {function: _balanced(torch.mul) for function in PRODUCTS}
        self.rules |= {function: _balanced(torch.matmul) for function in MATRIX_PRODUCTS}
        self.rules |= dict.fromkeys(DIVISIONS, _divide)
        self.rules |= {function: _gated(function) for function in ACTIVATIONS}
        self.rules |= {function: _constant(function) for function in CONSTANT_IN_BACKWARD}

    def __enter__(self) -> Self:
        super().__enter__()
        self._hooks += [block.register_forward_pre_hook(self._block_input) for block in self.blocks]
        return self

    def _block_input(self, block: nn.Module, inputs: tuple[Any, ...]) -> None:
        # TNT gives its blocks the pixels within patches first, and then the patches.
        pictures = len(self.constant_sum)
        for values in inputs:
            if isinstance(values, Tensor) and values.requires_grad and values.shape[0] == pictures:
                tokens = values.detach().clone()  # the block may write into it
                values.register_hook(
                    lambda gradient, tokens=tokens: self._place(self.input_maps, _channel_sum(gradient, tokens))
                )
                break

    def _place(self, maps: list[Tensor], terms: Tensor) -> None:
        placed = on_grid(terms, *self.size) if terms.shape[0] == len(self.constant_sum) else None
        if placed is not None:
            maps.append(placed.sum(dim=-1))

    def _note_constant(self, terms: Tensor) -> None:
        # Windows of a picture follow one another, so [B * windows, ...] folds back to [B, ...].
        self.constant_sum += terms.reshape(len(self.constant_sum), -1).sum(dim=1, dtype=torch.float64)
        self._place(self.constant_maps, terms)

    def _with_constant(self, output: Tensor, constant: Tensor | None) -> Tensor:
        """Notes what `constant`, broadcast to `output` of which it is a summand, contributes to the answer."""
        if constant is not None and output.requires_grad:
            output.register_hook(lambda gradient: self._note_constant(_channel_sum(gradient, constant)))
        return output

    def _linear(self, tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self._with_constant(F.linear(tokens, weight, bias), bias)

    def _conv(self, values: Tensor, weight: Tensor, bias: Tensor | None = None, *rest: Any, **named: Any) -> Tensor:
        constant = None if bias is None else bias[:, None, None]
        return self._with_constant(F.conv2d(values, weight, bias, *rest, **named), constant)

    def _layer_norm(
        self,
        values: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        output = LayerNorm.apply(values, tuple(normalized_shape), weight, bias, eps)
        return self._with_constant(output, bias)

    def _group_norm(
        self,
        values: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        grouped = values.unflatten(1, (num_groups, -1)).flatten(2)
        deviation = (grouped.detach().var(dim=2, keepdim=True, unbiased=False) + eps).rsqrt()
        output = ((grouped - grouped.mean(dim=2, keepdim=True)) * deviation).view_as(values)
        shape = (-1, *(1 for _ in values.shape[2:]))
        output = output if weight is None else output * weight.view(shape)
        constant = None if bias is None else bias.view(shape)
        return self._with_constant(output if constant is None else output + constant, constant)

    def _rms_norm(
        self,
        values: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        eps: float | None = None,
    ) -> Tensor:
        over = tuple(range(-len(normalized_shape), 0))
        eps = torch.finfo(values.dtype).eps if eps is None else eps
        output = values * (values.detach().square().mean(dim=over, keepdim=True) + eps).rsqrt()
        return output if weight is None else output * weight

    def _batch_norm(
        self,
        values: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        *rest: Any,
        **named: Any,
    ) -> Tensor:
        output = F.batch_norm(values, running_mean, running_var, weight, bias, *rest, **named)
        if not values.requires_grad:  # weights that are standardised, as in timm's StdConv2d
            return output
        origin = F.batch_norm(
            values.new_zeros(1, values.shape[1], *(1 for _ in values.shape[2:])),
            running_mean,
            running_var,
            weight,
            bias,
            *rest,
            **named,
        )
        return self._with_constant(output, origin)

    def _cat(self, parts: Sequence[Tensor], dim: int = 0) -> Tensor:
        output = torch.cat(list(parts), dim)
        if output.requires_grad and not all(part.requires_grad for part in parts):
            constant = torch.cat([torch.zeros_like(part) if part.requires_grad else part for part in parts], dim)
            return self._with_constant(output, constant)
        return output

    def _add(self, a: Any, b: Any, *, alpha: float = 1, out: None = None) -> Any:
        output = torch.add(a, b, alpha=alpha) if isinstance(a, Tensor) else a + b
        if _flows(a) and not _flows(b):
            return self._with_constant(output, torch.as_tensor(b) * alpha)
        if _flows(b) and not _flows(a):
            return self._with_constant(output, torch.as_tensor(a))
        return output

    def _subtract(self, a: Any, b: Any) -> Any:
        output = a - b
        if _flows(a) and not _flows(b):
            return self._with_constant(output, -torch.as_tensor(b))
        if _flows(b) and not _flows(a):
            return self._with_constant(output, torch.as_tensor(a))
        return output


def _channel_sum(gradient: Tensor, values: Tensor) -> Tensor:
    """gradient x values. Where channels lie last they are summed at once, [..., 1]: nobody asks for them singly."""
    if values.dim() == 1 and gradient.dim() > 1 and values.shape[0] == gradient.shape[-1]:
        return (gradient @ values)[..., None]
    return gradient * values


def _flows(value: Any) -> bool:
    """Whether a value depends on the picture (parameters are constants while a network is quiet)."""
    return isinstance(value, Tensor) and value.requires_grad


def _balanced(product: Callable[[Any, Any], Tensor]) -> Callable[..., Tensor]:
    """A product that hands half to each factor if both depend on the picture."""

    def rule(a: Any, b: Any) -> Tensor:
        if _flows(a) and _flows(b):
            return product(HalfGradient.apply(a), HalfGradient.apply(b))
        return product(a, b)

    return rule


def _in_place(rule: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The rule for a call that changes its first argument. NaFlexViT adds its positions so, and drops the result."""

    def changed(a: Tensor, b: Any, **named: Any) -> Tensor:
        return a.copy_(rule(a.clone(), b, **named))

    return changed


def _divide(a: Any, b: Any, **named: Any) -> Tensor:
    return torch.div(a, b.detach() if _flows(b) else b, **named)


def _gated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An activation as x times a constant gate; in place becomes out of place."""

    def rule(values: Tensor, *rest: Any, **named: Any) -> Tensor:
        if named.get("inplace"):
            named["inplace"] = False
        return Gated.apply(values, lambda x: function(x, *rest, **named))

    return rule


def _constant(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def rule(values: Any, *rest: Any, **named: Any) -> Tensor:
        return function(values.detach() if isinstance(values, Tensor) else values, *rest, **named)

    return rule


def _normalize(values: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
    return values / values.detach().norm(p, dim, keepdim=True).clamp(min=eps)
