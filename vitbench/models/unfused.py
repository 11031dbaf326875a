"""A forward pass seen from inside: every torch call passes through here, and fused attention is opened.

`torch.overrides.TorchFunctionMode` sees each call of an unmodified network while it is entered, and nothing
lives on after it. Subclasses add rules: what to do instead of a call, with the same value.
"""

import math
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

SOFTMAX_CALLS = (Tensor.softmax, torch.softmax, F.softmax, torch.special.softmax)


class UnfusedForward(TorchFunctionMode):
    """Opens `F.scaled_dot_product_attention` and `F.multi_head_attention_forward` into matmul, softmax and linear.

    The opened calls come back to the same mode, so a rule for softmax sees every attention there is.
    `rules` maps a torch function to what is called in its place, with the same arguments.
    `caller` is the dotted name, within `module`, of the innermost module that is computing.
    After the mode is left, `unfused_error` is the largest difference between an unfused attention and the fused call of
    its first head, relative to the largest value: the two compute the same thing, so it is rounding alone.
    """

    def __init__(self, module: nn.Module, names: Collection[str] | None = None) -> None:
        """With `names`, only these modules are told apart as callers: a hook on each of hundreds takes its time."""
        super().__init__()
        self.module = module
        self.names = names
        self.rules: dict[Callable[..., Any], Callable[..., Any]] = {
            F.scaled_dot_product_attention: self._open_attention,
            F.multi_head_attention_forward: self._open_multi_head_attention,
        }
        self._errors: list[Tensor] = []
        self._callers: list[str] = []
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    @property
    def caller(self) -> str:
        return self._callers[-1] if self._callers else ""

    @property
    def unfused_error(self) -> float:
        return float(torch.stack(self._errors).max()) if self._errors else 0.0

    def __enter__(self) -> Self:
        if not self._hooks:
            for name, module in self._callers_of_interest():
                self._hooks.append(module.register_forward_pre_hook(self._entering(name)))
                self._hooks.append(module.register_forward_hook(self._leaving, always_call=True))
        return super().__enter__()

    def _callers_of_interest(self) -> Iterable[tuple[str, nn.Module]]:
        if self.names is None:
            return self.module.named_modules()
        return [(name, self.module.get_submodule(name)) for name in self.names]

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._callers = []
        super().__exit__(kind, value, trace)

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.rules.get(func, func)(*args, **(kwargs or {}))

    def reopened(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls `function` with this mode on again (inside a rule it is off), so that its calls meet the rules."""
        with _Again(self):
            return function(*args)

    def _entering(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: object) -> None:
            self._callers.append(name)

        return hook

    def _leaving(self, module: nn.Module, args: object, output: object) -> None:
        if self._callers:
            self._callers.pop()

    def _open_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        output = self.reopened(
            scaled_dot_product_attention, query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
        )
        if dropout_p == 0.0:
            opened = output
            # All heads are opened by the same lines: the first one tells as much as all twelve, for a twelfth.
            if query.dim() == 4 and (attn_mask is None or attn_mask.dim() in (2, 4)):
                query, key, value, opened = query[:, :1], key[:, :1], value[:, :1], output[:, :1]
                attn_mask = attn_mask[:, :1] if attn_mask is not None and attn_mask.dim() == 4 else attn_mask
            with torch.no_grad():
                fused = F.scaled_dot_product_attention(
                    query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa
                )
                self._errors.append((opened - fused).abs().max() / fused.abs().max().clamp(min=1e-12))
        return output

    def _open_multi_head_attention(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        output, weights = self.reopened(lambda: multi_head_attention(*args, **kwargs))
        if not kwargs.get("training", True):
            with torch.no_grad():
                fused, _ = F.multi_head_attention_forward(*args, **kwargs)
                self._errors.append((output - fused).abs().max() / fused.abs().max().clamp(min=1e-12))
        return output, weights


class _Again(TorchFunctionMode):
    """Sends the calls of an opened function back through the mode that opened it."""

    def __init__(self, mode: UnfusedForward) -> None:
        super().__init__()
        self.mode = mode

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.mode.__torch_function__(func, types, args, kwargs)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
) -> Tensor:
    """What `F.scaled_dot_product_attention` computes, in plain calls; scores are scaled after q k^T.

    query [..., heads, queries, E], key and value [..., heads, keys, E] (fewer heads with `enable_gqa`), attn_mask
    broadcastable to [..., heads, queries, keys]: bool, True where one may look, or added to the scores.
    """
    if enable_gqa:
        groups = query.size(-3) // key.size(-3)
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    scale = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    scores = torch.matmul(query, key.transpose(-2, -1))
    scores = scores * scale if torch.is_grad_enabled() else scores.mul_(scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    attention = torch.softmax(scores, dim=-1)
    if dropout_p:
        attention = F.dropout(attention, dropout_p, training=True)
    return torch.matmul(attention, value)


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What `F.multi_head_attention_forward` computes for (length, batch, channels), in plain calls.

    Raises NotImplementedError for extra key and value tokens (`bias_k`, `add_zero_attn`, static keys).
    """
    if bias_k is not None or bias_v is not None or add_zero_attn or static_k is not None or static_v is not None:
        raise NotImplementedError("nn.MultiheadAttention with extra key and value tokens is not opened")
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    if use_separate_proj_weight:
        assert q_proj_weight is not None
        assert k_proj_weight is not None
        assert v_proj_weight is not None
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        assert in_proj_weight is not None
        weights = list(in_proj_weight.chunk(3))
    biases = [None, None, None] if in_proj_bias is None else list(in_proj_bias.chunk(3))

    def heads(tokens: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        length, batch, _ = tokens.shape
        return F.linear(tokens, weight, bias).reshape(length, batch, num_heads, -1).permute(1, 2, 0, 3)

    q, k, v = (heads(*inputs) for inputs in zip((query, key, value), weights, biases, strict=True))
    scores = torch.matmul(q, k.transpose(-2, -1)) * (1 / math.sqrt(q.size(-1)))
    for mask in _masks(attn_mask, key_padding_mask, num_heads):
        scores = scores.masked_fill(mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    attention = torch.softmax(scores, dim=-1)
    if dropout_p and training:
        attention = F.dropout(attention, dropout_p, training=True)
    mixed = torch.matmul(attention, v).permute(2, 0, 1, 3).flatten(2)
    output = F.linear(mixed, out_proj_weight, out_proj_bias)
    weights_out = None
    if need_weights:
        weights_out = attention.mean(dim=1) if average_attn_weights else attention
        weights_out = weights_out if batched else weights_out.squeeze(0)
    return (output if batched else output.squeeze(1)), weights_out


def _masks(attn_mask: Tensor | None, key_padding_mask: Tensor | None, num_heads: int) -> list[Tensor]:
    """Masks that broadcast to (batch, heads, queries, keys); True, where boolean, means left out."""
    masks = []
    if attn_mask is not None:
        masks.append(attn_mask.unflatten(0, (-1, num_heads)) if attn_mask.dim() == 3 else attn_mask)
    if key_padding_mask is not None:
        masks.append(key_padding_mask[:, None, None, :])
    return masks
