"""Relevance carried back a block at a time: one block's graph is alive, and of the others only what they exchange.

The forward pass keeps the input of each block and what its linear layers gave, which is nearly all of its work. When
the backward pass comes to a block, the block's graph is built from these again: gradient checkpointing (Chen et al.
2016) that computes little twice.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.attention.cache import layer_number
from vitbench.attention.subject import Layers, Subject, sorted_layers
from vitbench.attribution.relevance import LinearOutputs, RelevanceHooks
from vitbench.models.attention_hooks import whole
from vitbench.models.inference import require_gradient


@dataclass(frozen=True)
class WeightedAttention:
    """mean_h relu(G r), G the gradient of an attention map and r its relevance: [B, queries, N] each.

    `blocks` are those from layer `first` on, `pools` those of attention pools. `layers` are all that were seen; what
    they keep of a block's map is empty.
    """

    logits: Tensor
    layers: Layers
    first: int
    blocks: list[Tensor]
    pools: list[Tensor]


@dataclass
class _Visit:
    """A block in the forward pass: what it was called with, in which version its input was, and what it gave."""

    block: nn.Module
    tokens: Any
    rest: tuple[Any, ...]
    named: dict[str, Any]
    version: int
    linears: LinearOutputs
    output: Any = None


def weighted_attention(subject: Subject, start_layer: int) -> WeightedAttention:
    """One forward pass, and beside each other the gradient of the target logit and the relevance that starts from its
    one-hot, back to the attention of `start_layer`.

    Raises UserError if the network has no global attention, or no such layer.
    """
    hooks = RelevanceHooks(subject.module, _in_graph)
    logits, visits, leaf = _forward(subject, hooks)
    layers = sorted_layers(subject, hooks.calls)
    first = layer_number(len(layers.blocks), start_layer)
    chosen = F.one_hot(subject.targets(logits), logits.shape[1]).to(logits.dtype)
    flows = chosen, chosen
    pools = [call.kept for call in layers.pools]
    if not visits:
        maps = [call.kept for call in layers.blocks[first:]]
        found = [_product(*pair) for pair in _carried(hooks, logits, flows, [*maps, *pools])]
        return WeightedAttention(logits.detach(), layers, first, found[: len(maps)], found[len(maps) :])
    flows, *of_pools = _carried(hooks, logits, flows, [leaf, *pools])
    blocks: list[Tensor] = []
    while len(visits) > first:
        visit = visits.pop()  # what it kept is freed after its turn
        hooks = RelevanceHooks(visit.block, whole, visit.linears)
        with hooks:
            tokens = require_gradient(visit.tokens)
            output = visit.block(tokens, *visit.rest, **visit.named)
        attention = hooks.calls[0].kept
        # Before the first layer nothing is asked for, so the way from its attention to its input is not gone.
        pair, *inputs = _carried(hooks, output, flows, [attention] if len(visits) == first else [attention, tokens])
        blocks.insert(0, _product(*pair))
        flows = inputs[0] if inputs else flows
    return WeightedAttention(logits.detach(), layers, first, blocks, [_product(*pair) for pair in of_pools])


def _forward(subject: Subject, hooks: RelevanceHooks) -> tuple[Tensor, list[_Visit], Tensor]:
    """The logits, as a graph from the last block's output (the leaf) on, and the visits of the blocks.

    Where blocks do not pass one tensor from each to the next, the graph is whole, the leaf is the picture, and there
    are no visits.
    """
    blocks = list(subject.backbone.blocks)
    visits: list[_Visit] = []
    leaves: list[Tensor] = []

    def before(block: nn.Module, arguments: tuple[object, ...], named: dict[str, Any]) -> None:
        tokens = arguments[0] if arguments else None
        hooks.linears = LinearOutputs()
        version = tokens._version if isinstance(tokens, Tensor) else 0
        visits.append(_Visit(block, tokens, arguments[1:], named, version, hooks.linears))

    def after(block: nn.Module, arguments: tuple[object, ...], output: object) -> Any:
        visits[-1].output, hooks.linears = output, None
        if block is blocks[-1] and isinstance(output, Tensor):
            leaves.append(require_gradient(output))
            return leaves[-1]
        return None

    handles = [block.register_forward_pre_hook(before, with_kwargs=True) for block in blocks]
    handles += [block.register_forward_hook(after) for block in blocks]
    try:
        with hooks:
            logits = subject.module(subject.pixels.detach())
    finally:
        for handle in handles:
            handle.remove()
        hooks.linears = None
    if leaves and _is_chain(visits, blocks):
        return logits, visits, leaves[-1]
    pixels = require_gradient(subject.pixels)
    hooks.calls.clear()
    with hooks:
        logits = subject.module(pixels)
    return logits, [], pixels


def _is_chain(visits: list[_Visit], blocks: list[nn.Module]) -> bool:
    """Whether each block was called once, with the tensor that the one before gave, and left it as it was."""
    return (
        [id(visit.block) for visit in visits] == [id(block) for block in blocks]
        and all(isinstance(visit.tokens, Tensor) and visit.tokens._version == visit.version for visit in visits)
        and all(later.tokens is earlier.output for earlier, later in pairwise(visits))
    )


def _carried(
    hooks: RelevanceHooks, output: Tensor, flows: tuple[Tensor, Tensor], ends: list[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """(gradient, relevance) at each of `ends`, from (gradient, relevance) of `output`. The graph is used up."""
    hooks.flow.relevance = False
    gradients = torch.autograd.grad(output, ends, flows[0], retain_graph=True)
    hooks.flow.relevance = True
    relevances = torch.autograd.grad(output, ends, flows[1])
    return list(zip(gradients, relevances, strict=True))


def _product(gradient: Tensor, relevance: Tensor) -> Tensor:
    """mean_h relu(G r): [B, queries, N]."""
    return (gradient * relevance).clamp_(min=0).mean(dim=1)


def _in_graph(attention: Tensor) -> Tensor:
    """Keeps a map that is part of the graph; of others nothing."""
    return attention if attention.requires_grad else attention[:0].clone()
