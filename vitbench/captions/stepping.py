"""The next word's scores, quickly: the decoder's arithmetic with its weights gathered once a caption.

A word of a few beams is so little arithmetic that looking weights up in modules and calling these costs more than the
products. So each layer's weights are gathered once, queries, keys and values of the words are one product, and all
captions of a picture share the picture's keys and values.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.captions.decoder import CaptionDecoder, DecoderCache, DecoderLayer, LayerCache, Memory, causality, fits

Norm = tuple[tuple[int, ...], Tensor, Tensor, float]
Linear = tuple[Tensor, Tensor]


def step(decoder: CaptionDecoder, ids: Tensor, memory: Memory, cache: DecoderCache) -> Tensor:
    """What `decoder` answers to tokens after those that the cache has seen, in evaluation mode.

    `ids` [R, L] are the new tokens of R / B captions of each of the B pictures of `memory`; scores [R, L, vocabulary].
    """
    past = cache.length
    fits(past + ids.shape[1], decoder.max_length)
    if not cache.layers:
        picture = decoder.picture(memory)
        cache.layers.extend(StepLayer.of(layer, picture) for layer in decoder.layers)
    words = decoder.token_embed.weight
    x = F.embedding(ids, words) + decoder.pos_embed[:, past : past + ids.shape[1]]
    seen = causality(ids.shape[1], past, ids.device)
    mask = memory.mask
    for layer in cache.layers:
        assert isinstance(layer, StepLayer)
        x = layer.step(x, seen, mask)
    cache.length += ids.shape[1]
    return F.linear(torch.layer_norm(x, *_norm(decoder.norm)), words)


@dataclass
class StepLayer(LayerCache):
    """A decoder layer's weights beside the keys and values that it keeps."""

    num_heads: int = field(kw_only=True)
    self_norm: Norm = field(kw_only=True)
    query_key_value: Linear = field(kw_only=True)
    self_out: Linear = field(kw_only=True)
    cross_norm: Norm = field(kw_only=True)
    cross_query: Linear = field(kw_only=True)
    cross_out: Linear = field(kw_only=True)
    mlp_norm: Norm = field(kw_only=True)
    mlp_in: Linear = field(kw_only=True)
    mlp_out: Linear = field(kw_only=True)

    @staticmethod
    def of(layer: Any, picture: Tensor) -> "StepLayer":
        """A `DecoderLayer` that looks at `picture` [B, N, D]."""
        assert isinstance(layer, DecoderLayer)
        own, cross = layer.self_attention, layer.cross_attention
        first, _, second = layer.mlp
        return StepLayer(
            picture=cross.keys_values(picture),
            num_heads=own.num_heads,
            self_norm=_norm(layer.self_norm),
            query_key_value=(
                torch.cat((own.query.weight, own.key_value.weight)),
                torch.cat((own.query.bias, own.key_value.bias)),
            ),
            self_out=_linear(own.out),
            cross_norm=_norm(layer.cross_norm),
            cross_query=_linear(cross.query),
            cross_out=_linear(cross.out),
            mlp_norm=_norm(layer.mlp_norm),
            mlp_in=_linear(first),
            mlp_out=_linear(second),
        )

    def step(self, x: Tensor, seen: tuple[Tensor | None, bool], mask: Tensor | None) -> Tensor:
        """`x` [R, L, D] are the newest words; `seen` is `causality`'s, `mask` [B, 1, 1, N] `Memory`'s."""
        assert self.picture is not None
        rows, length, width = x.shape
        heads, size = self.num_heads, width // self.num_heads
        joint = F.linear(torch.layer_norm(x, *self.self_norm), *self.query_key_value)
        queries, keys, values = joint.view(rows, length, 3, heads, size).permute(2, 0, 3, 1, 4).unbind()
        mixed = F.scaled_dot_product_attention(
            queries, *self.append(keys, values), attn_mask=seen[0], is_causal=seen[1]
        )
        x = x + F.linear(mixed.transpose(1, 2).reshape(x.shape), *self.self_out)

        keys, values = self.picture
        queries = F.linear(torch.layer_norm(x, *self.cross_norm), *self.cross_query)
        queries = queries.view(keys.shape[0], -1, heads, size).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        x = x + F.linear(mixed.transpose(1, 2).reshape(x.shape), *self.cross_out)

        hidden = F.gelu(F.linear(torch.layer_norm(x, *self.mlp_norm), *self.mlp_in))
        return x + F.linear(hidden, *self.mlp_out)


def _norm(layer: nn.LayerNorm) -> Norm:
    return layer.normalized_shape, layer.weight, layer.bias, layer.eps


def _linear(layer: Any) -> Linear:
    return layer.weight, layer.bias
