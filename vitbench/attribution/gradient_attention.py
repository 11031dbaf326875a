"""Attention and its gradient, layer by layer: what the class depends on, of what was attended to."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vitbench.attention.subject import Layers, Subject, sorted_layers
from vitbench.models.attention_hooks import AttentionHooks, whole
from vitbench.models.inference import require_gradient

Reduce = Callable[[Tensor, Tensor], Tensor]
"""From a map A [B, H, N, N] and its gradient G of the same shape to what is kept of the pair."""


def attend_with_gradient(subject: Subject, reduce: Reduce) -> tuple[Tensor, Layers]:
    """One hooked forward and one backward pass from the target logit: logits, and layers that keep `reduce(A, G)`.

    The reduction happens as soon as a gradient is there, so no two gradients are alive at once.
    """
    subject.require_global_attention()
    reduced: dict[int, Tensor] = {}
    with torch.enable_grad():
        with AttentionHooks(subject.module, whole) as hooks:
            logits = subject.module(require_gradient(subject.pixels))
        layers = sorted_layers(subject, hooks.calls)
        calls = (*layers.blocks, *layers.pools)
        handles = [call.kept.register_hook(partial(_keep_reduced, reduced, reduce, call.kept)) for call in calls]
        torch.autograd.grad(subject.score(logits), layers.blocks[0].kept)
        for handle in handles:  # a hook that holds its own map would keep both for ever
            handle.remove()
    blocks = [replace(call, kept=reduced[id(call.kept)]) for call in layers.blocks]
    pools = [replace(call, kept=reduced[id(call.kept)]) for call in layers.pools]
    return logits.detach(), Layers(blocks, pools)


def _keep_reduced(reduced: dict[int, Tensor], reduce: Reduce, attention: Tensor, gradient: Tensor) -> None:
    reduced[id(attention)] = reduce(attention.detach(), gradient)
