"""Where the class token looks, as a loss: at the objects from which the picture has its label.

A shape is told by its outline, so a network left alone looks at the edges of objects, and its maps point beside them.
Supervised attention (Liu, Mao, Sha and Yuille 2017, for captions) makes it read inside, where the object is whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.weights.scene_records import SceneBatch

GUIDED_BLOCKS = 3
"""The last ones: what the class token sees before knows little of objects."""


@contextmanager
def watched_class_attention(encoder: Any) -> Iterator[list[Tensor]]:
    """Within it each forward pass of a timm Vision Transformer adds the guided blocks' class rows, [B, patches].

    The mean over heads of the class token's attention to the patches, scaled to sum 1, in the graph.
    """
    rows: list[Tensor] = []

    def watching(attention: Any) -> Any:
        def watch(_: nn.Module, __: Any, qkv: Tensor) -> None:
            query, key, _ = qkv.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
            scores = (attention.q_norm(query[:, :, :1]) * attention.scale) @ attention.k_norm(key).transpose(-2, -1)
            patches = scores.softmax(-1).mean(1)[:, 0, encoder.num_prefix_tokens :]
            rows.append(patches / patches.sum(-1, keepdim=True))

        return attention.qkv.register_forward_hook(watch)

    handles = [watching(block.attn) for block in encoder.blocks[-GUIDED_BLOCKS:]]
    try:
        yield rows
    finally:
        for handle in handles:
            handle.remove()


def attention_loss(rows: list[Tensor], batch: SceneBatch) -> Tensor:
    """Divergence (nats) of class rows [B, patches] from the patches of the objects that give the label; their mean.

    A patch counts by the square of what it shows of them: a wholly covered one four times as much as a half covered.
    """
    gives_label = (batch.kinds == batch.label[:, None])[:, :, None]
    shown = (batch.shares[:, 1:] * gives_label).sum(1).square()
    wanted = shown / shown.sum(-1, keepdim=True)
    return torch.stack([F.kl_div(row.clamp(min=1e-9).log(), wanted, reduction="batchmean") for row in rows]).mean()
