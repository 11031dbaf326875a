"""Rollout of gradient times attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import QUERY, START_LAYER, Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult, Query
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="gradient_rollout",
    title="Gradient rollout",
    summary="rollout of the positive part of gradient times attention",
    compute="vitbench.methods.gradient_rollout:gradient_rollout",
    options=(START_LAYER, QUERY),
    order=40,
)


def gradient_rollout(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """Rollout of a = relu(mean_h(G A)): the product of (a + E) / row sum, last layer first."""
    import torch

    from vitbench.attention.cache import layer_number
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import start_row
    from vitbench.attribution.gradient_attention import attend_with_gradient

    logits, layers = attend_with_gradient(subject, lambda a, g: (g * a).mean(dim=1).clamp(min=0))
    first = layer_number(len(layers.blocks), start_layer)
    row = start_row(subject, layers, query)
    identity = torch.eye(subject.tokens, device=row.device)
    for weighted in reversed(layers.maps()[first:]):
        mixed = weighted + identity
        row = (row[:, None, :] @ (mixed / mixed.sum(dim=-1, keepdim=True))).squeeze(1)
    return MethodResult(subject.patches(row), logits, facts={"start_layer": first, "query": query})
