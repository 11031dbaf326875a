"""Relevance propagation (Chefer, Gur and Wolf 2021a, appendix and released code) on an unmodified network.

The network computes what it always computes. Beside each operation stands a rule, and one switch decides what the
backward pass carries through it: the gradient, by the operation's own backward, or the relevance, by the rule.
So one graph serves both passes, and slicing, permuting and fan-out (relevances add up) need no rule.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.models.attention_hooks import AttentionHooks, Keep, whole

Rule = Callable[..., tuple[Tensor, ...]]
"""rule(relevance of the output, output, *inputs) -> the relevance of each input, in their shapes."""

IDENTITIES: tuple[Any, ...] = (
    F.layer_norm,
    F.group_norm,
    F.rms_norm,
    F.gelu,
    F.silu,
    F.relu,
    torch.sigmoid,
    Tensor.sigmoid,
)
ADDITIONS: tuple[Any, ...] = (Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.add_, Tensor.__iadd__, torch.add)
PRODUCTS: tuple[Any, ...] = (Tensor.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.mul_, Tensor.__imul__, torch.mul)
MATRIX_PRODUCTS: tuple[Any, ...] = (Tensor.matmul, Tensor.__matmul__, torch.matmul, torch.bmm, Tensor.bmm)
MEANS: tuple[Any, ...] = (Tensor.mean, torch.mean)


class Flow:
    """What the backward pass carries: gradients, or relevance once `relevance` is set."""

    relevance = False


class _Either(torch.autograd.Function):
    """Passes a value on; backward, its gradient goes to the operation or its relevance, by a rule, to the inputs."""

    @staticmethod
    def forward(ctx: Any, flow: Flow, rule: Rule, output: Tensor, *inputs: Tensor) -> Tensor:
        ctx.flow, ctx.rule, ctx.count = flow, rule, len(inputs)
        if rule is not identity_rule:  # which needs no values: they would be kept for nothing
            ctx.save_for_backward(output, *inputs)
        return output

    @staticmethod
    def backward(ctx: Any, *flows: Tensor) -> tuple[Tensor | None, ...]:
        if not ctx.flow.relevance:
            return None, None, flows[0], *(None for _ in range(ctx.count))
        if ctx.rule is identity_rule:
            return None, None, None, flows[0]
        output, *inputs = ctx.saved_tensors
        return None, None, None, *ctx.rule(flows[0], output, *inputs)


class _Linear(torch.autograd.Function):
    """An `output` of `F.linear` that is known; backward, its gradient or its relevance goes to the tokens."""

    @staticmethod
    def forward(ctx: Any, flow: Flow, output: Tensor, tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.flow = flow
        ctx.save_for_backward(output, tokens, weight, bias)
        return output

    @staticmethod
    def backward(ctx: Any, *flows: Tensor) -> tuple[Tensor | None, ...]:
        output, tokens, weight, bias = ctx.saved_tensors
        if not ctx.flow.relevance:
            return None, None, flows[0] @ weight, None, None
        return None, None, *linear_rule(flows[0], output, tokens, weight, bias), None, None


class LinearOutputs:
    """What `F.linear` gave in one pass, in order, for a second pass over the same values.

    An output that the network has written into since is not given again: `recall` is None then.
    """

    def __init__(self) -> None:
        self._outputs: deque[tuple[Tensor, int]] = deque()

    def note(self, output: Tensor) -> None:
        self._outputs.append((output, output._version))

    def recall(self) -> Tensor | None:
        output, version = self._outputs.popleft()
        return output if output._version == version else None


class RelevanceHooks(AttentionHooks):
    """A set of attention hooks whose graph carries gradients first and, with `flow.relevance = True`, relevance.

    `linears`, while it is set, notes what each linear layer gives; `known` are those of an earlier pass, to be taken
    instead of computing them.
    """

    def __init__(self, module: nn.Module, keep: Keep = whole, known: LinearOutputs | None = None) -> None:
        self.flow = Flow()
        self.linears: LinearOutputs | None = None
        self.known = known
        super().__init__(module, keep)
        self.rules[F.linear] = self._linear
        for functions, plain, rule in (
            (ADDITIONS, torch.add, addition_rule),
            (PRODUCTS, torch.mul, product_rule),
            (MATRIX_PRODUCTS, torch.matmul, matrix_product_rule),
        ):
            for function in functions:
                self.rules[function] = self._of_two(function, plain, rule)
        for function in MEANS:
            self.rules[function] = self._mean(function)
        for function in IDENTITIES:
            self.rules[function] = self._identity(function)

    def _softmax(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return super()._softmax(self._identity(function))

    def _linear(self, tokens: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        output = None if self.known is None else self.known.recall()
        if output is None:
            output = F.linear(tokens, weight, bias)
        if self.linears is not None:
            self.linears.note(output)
        return _Linear.apply(self.flow, output, tokens, weight, bias) if tokens.requires_grad else output

    def _of_two(self, function: Callable[..., Any], plain: Callable[..., Tensor], rule: Rule) -> Callable[..., Any]:
        """An operation on two tensors. If only one depends on the picture, all relevance is that one's.

        In place becomes out of place: what the graph holds must keep its value.
        """

        def replacement(a: Any, b: Any, *rest: Any, **named: Any) -> Any:
            flowing = [part for part in (a, b) if isinstance(part, Tensor) and part.requires_grad]
            if not flowing or rest or named:
                return function(a, b, *rest, **named)
            output = plain(a, b)
            if len(flowing) == 2:
                return _Either.apply(self.flow, rule, output, a, b)
            if output.shape == flowing[0].shape:
                return _Either.apply(self.flow, identity_rule, output, flowing[0])
            return output

        return replacement

    def _mean(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def replacement(tokens: Tensor, *rest: Any, **named: Any) -> Tensor:
            output = function(tokens, *rest, **named)
            if not tokens.requires_grad:
                return output

            def rule(relevance: Tensor, output: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
                return input_times_gradient_rule(
                    relevance, output, tokens, lambda values: function(values, *rest, **named)
                )

            return _Either.apply(self.flow, rule, output, tokens)

        return replacement

    def _identity(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def replacement(tokens: Tensor, *rest: Any, **named: Any) -> Tensor:
            if named.get("inplace"):
                named["inplace"] = False
            output = function(tokens, *rest, **named)
            return _Either.apply(self.flow, identity_rule, output, tokens) if tokens.requires_grad else output

        return replacement


def safe_divide(a: Tensor, b: Tensor) -> Tensor:
    """a / (b + 1e-9) elementwise, and 0 where b is 0: the division of the released code."""
    # Memory's speed decides here, so there is one result, and one table of what is 0.
    return torch.div(a, b + 1e-9).masked_fill_(b == 0, 0.0)


def identity_rule(relevance: Tensor, output: Tensor, values: Tensor) -> tuple[Tensor, ...]:
    """Relevance as it is: softmax, activations, norms, scaling by a constant."""
    return (relevance,)


def linear_rule(
    relevance: Tensor, output: Tensor, tokens: Tensor, weight: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, ...]:
    """alpha = 1, beta = 0, without the bias: Z = x+ w+^T + x- w-^T, S = R / Z, x+ (S w+) + x- (S w-).

    Relevance and output are [..., out], tokens [..., in], weight [out, in]; the result is that of the tokens.

    Computed as Z = (x w^T + |x| |w|^T) / 2 and (x (S w) + |x| (S |w|)) / 2, the same sums with one product less: the
    first term of Z is the output without its bias.
    """
    carrying = relevance.any(dim=-1)
    if 2 * int(carrying.sum()) < carrying.numel():  # as behind the last attention, where only the class token counts
        result = torch.zeros_like(tokens)
        rows = relevance[carrying], output[carrying], tokens[carrying]
        if len(rows[0]):
            (result[carrying],) = linear_rule(*rows, weight, bias)
        return (result,)
    size, magnitude = weight.abs(), tokens.abs()
    total = F.linear(magnitude, size).add_(output)
    share = safe_divide(relevance, (total if bias is None else total.sub_(bias)).div_(2))
    return ((share @ weight).mul_(tokens).add_((share @ size).mul_(magnitude)).div_(2),)


def addition_rule(relevance: Tensor, output: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """S = R / (a + b), to a goes aS, to b bS, each rescaled by its share, for every sample by itself:
    ra *= |sum ra| / (|sum ra| + |sum rb|) * sum R / sum ra."""
    share = safe_divide(relevance, output)
    ra, rb = a * share, b * share
    total_a, total_b, total = _sample_sum(ra), _sample_sum(rb), _sample_sum(relevance)
    magnitude = total_a.abs() + total_b.abs()
    ra = ra * safe_divide(safe_divide(total_a.abs(), magnitude) * total, total_a)
    rb = rb * safe_divide(safe_divide(total_b.abs(), magnitude) * total, total_b)
    return ra.sum_to_size(a.shape), rb.sum_to_size(b.shape)


def matrix_product_rule(relevance: Tensor, output: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """S = R / Z, half of a (S b^T) to a [..., n, k] and half of b (a^T S) to b [..., k, m]; R and Z are [..., n, m]."""
    share = safe_divide(relevance, output)
    ra = a * (share @ b.transpose(-2, -1)) / 2
    rb = b * (a.transpose(-2, -1) @ share) / 2
    return ra.sum_to_size(a.shape), rb.sum_to_size(b.shape)


def product_rule(relevance: Tensor, output: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Half to each factor of an elementwise product (gated activations; the released networks have none)."""
    return (relevance / 2).sum_to_size(a.shape), (relevance / 2).sum_to_size(b.shape)


def input_times_gradient_rule(
    relevance: Tensor, output: Tensor, values: Tensor, function: Callable[[Tensor], Tensor]
) -> tuple[Tensor, ...]:
    """x (J^T (R / Z)) of a linear function without weights, such as a mean over tokens."""
    with torch.enable_grad():
        leaf = values.detach().requires_grad_(True)
        (spread,) = torch.autograd.grad(function(leaf), leaf, safe_divide(relevance, output))
    return (values * spread,)


def _sample_sum(values: Tensor) -> Tensor:
    return values.sum(dim=tuple(range(1, values.dim())), keepdim=True)
