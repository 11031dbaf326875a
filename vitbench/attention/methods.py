"""Maps from attention alone: one layer of it, or all layers rolled out. They do not depend on a class."""

import torch
from torch import Tensor

from vitbench.attention.cache import attend_to_all, layer_number
from vitbench.attention.result import MethodResult, Query
from vitbench.attention.subject import Layers, Subject, attend, reading_row
from vitbench.errors import UserError
from vitbench.models.attention_hooks import head_mean


def raw(
    subject: Subject, *, layer: int | None = None, head: int | None = None, query: Query | None = None
) -> MethodResult:
    """Attention after softmax of one layer: the row that the classifier reads, or that of a query patch.

    layer: from 0; negative counts from the end; None is the last. head: from 0; None is the mean over heads.
    With attention pooling and neither layer nor query asked for, the map is the pool's own.
    """
    kept = attend_to_all(subject)
    number: int | str = layer_number(len(kept.layers), layer)
    if kept.pool is not None and layer is None and query is None:
        number = "attention pool"
    return MethodResult(
        kept.map(layer, head, query), kept.logits, facts={"layer": number, "head": head, "query": query}
    )


def rollout(
    subject: Subject,
    *,
    fuse: str = "mean",
    discard: float = 0.0,
    start_layer: int = 0,
    query: Query | None = None,
) -> MethodResult:
    """Attention rollout (Abnar and Zuidema 2020): the product of (a_l + E) / row sum over layers, last first.

    fuse: "mean", "max" or "min" over heads. discard: the share, 0 to 1, of each fused map's smallest entries that
    is set to 0 first; the row and column of the class token are never discarded.
    """
    if fuse not in ("mean", "max", "min"):
        raise UserError(f"Rollout fuses heads by mean, max or min, not by {fuse!r}.")
    if not 0 <= discard < 1:
        raise UserError(f"Rollout discards a share from 0 to below 1 of each map, not {discard}.")

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


def start_row(subject: Subject, layers: Layers, query: Query | None) -> Tensor:
    """The row [B or 1, N] that a product of layers starts from: what the classifier reads, or a query patch."""
    return reading_row(subject, layers) if query is None else subject.query_row(query)
