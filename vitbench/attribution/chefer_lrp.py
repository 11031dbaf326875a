"""Transformer attribution (Chefer, Gur and Wolf, CVPR 2021), with the rules of its released code."""

import torch

from vitbench.attention.methods import start_row
from vitbench.attention.result import MethodResult, Query
from vitbench.attention.subject import Subject
from vitbench.attribution.block_by_block import weighted_attention
from vitbench.models.inference import flushed_denormals


def chefer_lrp(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """The product of mean_h relu(G r) + E over layers, last first: G the gradient of a layer's attention, r its
    relevance, which starts from a one-hot of the class.

    start_layer: the first layer of the product; 0 in the authors' notebooks, 1 in their benchmark.
    """
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
