"""Maps from attention times its gradient: what the class depends on, of what was attended to."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vitbench.attention.cache import layer_number
from vitbench.attention.methods import start_row
from vitbench.attention.result import MethodResult, Query
from vitbench.attention.subject import Layers, Subject, reading_row, sorted_layers
from vitbench.models.attention_hooks import AttentionTap, whole
from vitbench.models.inference import require_gradient

Reduce = Callable[[Tensor, Tensor], Tensor]
"""From a map A [B, H, N, N] and its gradient G of the same shape to what is kept of the pair."""


def attend_with_gradient(subject: Subject, reduce: Reduce) -> tuple[Tensor, Layers]:
    """One tapped forward and one backward pass from the target logit: logits, and layers that keep `reduce(A, G)`.

    The reduction happens as soon as a gradient is there, so no two gradients are alive at once.
    """
    subject.require_global_attention()
    reduced: dict[int, Tensor] = {}
    with torch.enable_grad():
        with AttentionTap(subject.module, whole) as tap:
            logits = subject.module(require_gradient(subject.pixels))
        layers = sorted_layers(subject, tap.calls)
        calls = (*layers.blocks, *layers.pools)
        hooks = [call.kept.register_hook(partial(_keep_reduced, reduced, reduce, call.kept)) for call in calls]
        torch.autograd.grad(subject.score(logits), layers.blocks[0].kept)
        for hook in hooks:  # a hook that holds its own map would keep both for ever
            hook.remove()
    blocks = [replace(call, kept=reduced[id(call.kept)]) for call in layers.blocks]
    pools = [replace(call, kept=reduced[id(call.kept)]) for call in layers.pools]
    return logits.detach(), Layers(blocks, pools)


def _keep_reduced(reduced: dict[int, Tensor], reduce: Reduce, attention: Tensor, gradient: Tensor) -> None:
    reduced[id(attention)] = reduce(attention.detach(), gradient)


def generic(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """Generic attention explainability (Chefer et al. 2021b): R = E, then R += mean_h relu(G A) R for each layer.

    The map is the reading row of R, without the even part that the E it starts from gives to average pooling.
    """
    logits, layers = attend_with_gradient(subject, lambda a, g: (g * a).clamp(min=0).mean(dim=1))
    first = layer_number(len(layers.blocks), start_layer)
    start = row = start_row(subject, layers, query)
    for weighted in reversed(layers.maps()[first:]):
        row = row + (row[:, None, :] @ weighted).squeeze(1)
    relevance = row if layers.pools and query is None else row - start
    return MethodResult(subject.patches(relevance), logits, facts={"start_layer": first, "query": query})


def gradient_rollout(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """Rollout of a = relu(mean_h(G A)): the product of (a + E) / row sum, last layer first."""
    logits, layers = attend_with_gradient(subject, lambda a, g: (g * a).mean(dim=1).clamp(min=0))
    first = layer_number(len(layers.blocks), start_layer)
    row = start_row(subject, layers, query)
    identity = torch.eye(subject.tokens, device=row.device)
    for weighted in reversed(layers.maps()[first:]):
        mixed = weighted + identity
        row = (row[:, None, :] @ (mixed / mixed.sum(dim=-1, keepdim=True))).squeeze(1)
    return MethodResult(subject.patches(row), logits, facts={"start_layer": first, "query": query})


def grad_cam(subject: Subject) -> MethodResult:
    """Grad-CAM on the last block's attention, as in Chefer et al. 2021a: the reading row of each head, weighted by
    the mean of that row's gradient over the patches; the mean over heads, cut at 0. Zeros where nothing speaks for
    the class."""
    subject.require_global_attention()
    with torch.enable_grad():
        with AttentionTap(subject.module, whole) as tap:
            logits = subject.module(require_gradient(subject.pixels))
        layers = sorted_layers(subject, tap.calls)
        attention = layers.blocks[-1].kept
        (gradient,) = torch.autograd.grad(subject.score(logits), attention)
    start = reading_row(subject, layers).detach()[:, None, None, :]
    row, slope = (start @ attention.detach()).squeeze(2), (start @ gradient).squeeze(2)
    prefix = subject.backbone.num_prefix_tokens
    weights = slope[:, :, prefix:].mean(dim=-1, keepdim=True)
    return MethodResult(subject.patches((weights * row).mean(dim=1).clamp(min=0)), logits.detach())
