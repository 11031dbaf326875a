"""Transformer attribution (Chefer, Gur and Wolf, CVPR 2021), with the rules of its released code."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from vitbench.explain.attention_methods import start_row
from vitbench.explain.kept_attention import layer_number
from vitbench.explain.quiet import flushed_denormals, require_gradient
from vitbench.explain.relevance import RelevanceTap
from vitbench.explain.result import MethodResult, Query
from vitbench.explain.subject import Layers, Subject, sorted_layers


def chefer_lrp(subject: Subject, *, start_layer: int = 0, query: Query | None = None) -> MethodResult:
    """The product of mean_h relu(G r) + E over layers, last first: G the gradient of a layer's attention, r its
    relevance, which starts from a one-hot of the class.

    start_layer: the first layer of the product; 0 in the authors' notebooks, 1 in their benchmark.
    """
    subject.require_global_attention()
    with torch.enable_grad(), flushed_denormals():
        with RelevanceTap(subject.module) as tap:
            logits = subject.module(require_gradient(subject.pixels))
        layers = sorted_layers(subject, tap.calls)
        first = layer_number(len(layers.blocks), start_layer)
        chosen = F.one_hot(subject.targets(logits), logits.shape[1]).to(logits.dtype)
        weighted = _weighted_attention(tap, Layers(layers.blocks[first:], layers.pools), logits, chosen)
    pooled = layers.pools and query is None
    start = weighted.pop().mean(dim=1) if pooled else start_row(subject, layers, query).detach()
    row = start
    for attention in reversed(weighted[: len(layers.blocks) - first]):
        row = row + (row[:, None, :] @ attention).squeeze(1)
    return MethodResult(
        subject.patches(row if pooled else row - start), logits.detach(), facts={"start_layer": first, "query": query}
    )


def _weighted_attention(tap: RelevanceTap, layers: Layers, logits: Tensor, chosen: Tensor) -> list[Tensor]:
    """mean_h relu(G r) of each block and then of each pool: [B, queries, N]. Two backward passes over one graph."""
    calls = [*layers.blocks, *layers.pools]
    gradients: dict[int, Tensor] = {}
    weighted: dict[int, Tensor] = {}

    def hook(number: int, flow: Tensor) -> None:
        if tap.flow.relevance:
            weighted[number] = (gradients.pop(number) * flow).clamp(min=0).mean(dim=1)
        else:
            gradients[number] = flow

    for number, call in enumerate(calls):
        call.kept.register_hook(partial(hook, number))
    for relevance in (False, True):
        tap.flow.relevance = relevance
        torch.autograd.grad(logits, layers.blocks[0].kept, chosen, retain_graph=not relevance)
    return [weighted[number] for number in range(len(calls))]
