"""Transformer attribution (Chefer, Gur and Wolf, CVPR 2021), with the rules of its released code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitbench.methods.base import QUERY, START_LAYER, Method

if TYPE_CHECKING:
    from vitbench.attention.result import MethodResult, Query
    from vitbench.attention.subject import Subject

METHOD = Method(
    name="chefer_lrp",
    title="Transformer attribution (Chefer 2021a)",
    summary="relevance carried back layer by layer, times the gradient of attention (Chefer et al., CVPR 2021)",
    quantity="Relevance",
    compute="vitbench.methods.chefer_lrp:chefer_lrp",
    options=(START_LAYER, QUERY),
    order=50,
)


def chefer_lrp(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """The product of mean_h relu(G r) + E over layers, last first: G the gradient of a layer's attention, r its
    relevance, which starts from a one-hot of the class.

    start_layer: the first layer of the product; 0 in the authors' notebooks, 1 in their benchmark.
    """
    import torch

    from vitbench.attention.result import MethodResult
    from vitbench.attention.subject import start_row
    from vitbench.attribution.block_by_block import weighted_attention
    from vitbench.models.inference import flushed_denormals

    subject.require_global_attention()
    with torch.enable_grad(), flushed_denormals():
        found = weighted_attention(subject, start_layer)
    pooled = found.pools and query is None
    start = found.pools[-1].mean(dim=1) if pooled else start_row(subject, found.layers, query).detach()
    row = start
    for attention in reversed(found.blocks):
        row = row + (row[:, None, :] @ attention).squeeze(1)
    facts = {"start_layer": found.first, "query": query}
    return MethodResult(subject.patches(row if pooled else row - start), found.logits, facts=facts)
