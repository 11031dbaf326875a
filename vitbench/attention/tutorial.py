"""The figures of a widely copied ViT tutorial, drawn as it drew them, with the difference to the true ones.

Its "attention" is q k^T of the first block from tokens that were not normalised, without scale or softmax; its
position tiles have each their own colour scale, so tiles cannot be compared.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vitbench.attention.cache import all_attention
from vitbench.attention.subject import Subject
from vitbench.errors import UserError
from vitbench.models.inference import quiet
from vitbench.models.network import Network
from vitbench.positions.embeddings import Positions
from vitbench.positions.pairs import Floats

QUERY_TOKEN = 100
HEADS = 7


@dataclass(frozen=True)
class TutorialAttention:
    """drawn, true: [B, heads, rows, columns], what the tutorial draws and the first block's attention from the same
    token; correlation: Pearson's of the two, [B, heads]."""

    token: int
    drawn: Tensor
    true: Tensor
    correlation: Tensor


def tutorial_attention(network: Network, pixels: Tensor, token: int = QUERY_TOKEN) -> TutorialAttention:
    """For the first 7 heads (fewer if there are fewer) of normalised pixels [1, 3, H, W].

    `token`, from 0, counts prefix tokens and is the last one if too large.

    Raises UserError for a network whose first block has no joint `qkv` projection.
    """
    kept = all_attention(network, pixels)
    with quiet(network.module) as module:
        subject = Subject.of(network, module, pixels.to(next(module.parameters()).device))
        block = subject.backbone.blocks[0]
        attention = getattr(block, "attn", None)
        projection = getattr(attention, "qkv", None)
        if not isinstance(projection, torch.nn.Linear):
            raise UserError(f"The first block of {network.name} has no joint qkv projection, so the tutorial's figure"
                            " cannot be drawn from it.")  # fmt: skip
        tokens: list[Tensor] = []
        hook = block.register_forward_pre_hook(lambda block, inputs: tokens.append(inputs[0]))
        try:
            with torch.no_grad():
                module(subject.pixels)
                joint = projection(tokens[-1])
        finally:
            hook.remove()
    heads = kept.layers[0].shape[1]
    query, key, _ = joint.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    token = min(token, subject.tokens - 1)
    shown = min(HEADS, heads)
    patches = subject.grid[0] * subject.grid[1]
    drawn = (query @ key.transpose(-2, -1))[:, :shown, token, -patches:]
    true = kept.layers[0][:, :shown, token, -patches:]
    return TutorialAttention(
        token, drawn.unflatten(2, subject.grid), true.unflatten(2, subject.grid), _correlation(drawn, true)
    )


def own_scale_tiles(positions: Positions) -> tuple[Floats, float]:
    """The similarity matrix with each tile stretched to 0..1, as the tutorial draws it, and how much that hides: the
    mean ratio of a tile's own range to the range of all tiles (1: nothing hidden)."""
    similarity = positions.similarity
    low, high = similarity.min(axis=1, keepdims=True), similarity.max(axis=1, keepdims=True)
    own = high - low
    whole = float(similarity.max() - similarity.min()) or 1.0
    own[own == 0] = 1.0
    return (similarity - low) / own, float((own / whole).mean())


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(dim=-1, keepdim=True), b - b.mean(dim=-1, keepdim=True)
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)
