"""Attention rolled out over all layers (Abnar and Zuidema 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import QUERY, START_LAYER, Method, Option

if TYPE_CHECKING:
    from torch import Tensor

    from vitbench.attention.result import MethodResult, Query
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="rollout",
    title="Attention rollout",
    summary="attention of all layers multiplied, with the residual connections (Abnar and Zuidema 2020)",
    compute="vitbench.methods.rollout:rollout",
    options=(
        Option("fuse", "how heads are made one map", "mean", choices=("mean", "max", "min")),
        Option("discard", "the share of each map's smallest entries that is left out", 0.0, least=0, below=1),
        START_LAYER,
        QUERY,
    ),
    needs_class=False,
    quantity="Attention",
    order=20,
)


def rollout(
    subject: Subject, *, fuse: str = "mean", discard: float = 0.0, start_layer: int = 0, query: Query | None = None
) -> MethodResult:
    """The product of (a_l + E) / row sum over layers, last first.

    fuse: "mean", "max" or "min" over heads. discard: the share, 0 to 1, of each fused map's smallest entries that
    is set to 0 first; the row and column of the class token are never discarded.
    """
    import torch

    from vitbench.attention.cache import layer_number
    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import attend, start_row
    from vitbench.models.attention_hooks import head_mean

    def fused(attention: Tensor) -> Tensor:
        return attention.mean(dim=1) if fuse == "mean" else getattr(attention, "a" + fuse)(dim=1)

    logits, layers = attend(subject, head_mean if fuse == "mean" else fused)
    row = start_row(subject, layers, query)
    identity = torch.eye(subject.tokens, device=row.device)
    first = layer_number(len(layers.blocks), start_layer)
    for attention in reversed(layers.maps()[first:]):
        mixed = without_smallest(attention, discard, subject.backbone.num_prefix_tokens) + identity
        row = (row[:, None, :] @ (mixed / mixed.sum(dim=-1, keepdim=True))).squeeze(1)
    return MethodResult(
        subject.patches(row), logits, facts={"fuse": fuse, "discard": discard, "start_layer": first, "query": query}
    )


def without_smallest(attention: Tensor, share: float, num_prefix_tokens: int) -> Tensor:
    """[B, N, N] with the smallest `share` of the patch-to-patch entries of each map set to 0."""
    if share == 0:
        return attention
    kept = attention.clone()
    between = kept[:, num_prefix_tokens:, num_prefix_tokens:]
    count = int(between[0].numel() * share)
    if count:
        flat = between.flatten(1)
        smallest = flat.topk(count, dim=1, largest=False).indices
        between.copy_(flat.scatter(1, smallest, 0.0).view_as(between))
    return kept
