"""The caption decoder: a pre-norm transformer that reads a picture's tokens through cross-attention.

Attention is written out around `F.scaled_dot_product_attention`, not `nn.MultiheadAttention`: it is fused, and the
attention hooks see every call. This is the path for whole captions, in training and for looking; `stepping.py` is the
one for a token at a time, with cached keys and values.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Memory:
    """What the decoder looks at: a picture's tokens.

    `tokens` is [B, num_prefix_tokens + rows * columns, D]; patches follow row by row. `padding` [B, N] is true where
    a column is no part of the picture (pictures of several sizes in one batch), or None.
    """

    tokens: Tensor
    rows: int
    columns: int
    num_prefix_tokens: int
    padding: Tensor | None = None

    @property
    def mask(self) -> Tensor | None:
        """True where one may look, [B, 1, 1, N]; None if everywhere."""
        return None if self.padding is None else ~self.padding[:, None, None, :]

    def first(self, count: int) -> "Memory":
        """The first `count` pictures."""
        padding = None if self.padding is None else self.padding[:count]
        return Memory(self.tokens[:count], self.rows, self.columns, self.num_prefix_tokens, padding)

    def repeated(self, times: int) -> "Memory":
        """Each picture `times` times in a row: one for each of its captions."""
        padding = None if self.padding is None else self.padding.repeat_interleave(times, dim=0)
        tokens = self.tokens.repeat_interleave(times, dim=0)
        return Memory(tokens, self.rows, self.columns, self.num_prefix_tokens, padding)


@dataclass
class LayerCache:
    """Keys and values of one layer: of the words so far [R, heads, L, D / heads], of the picture [B, heads, N, ...].

    The R / B captions of a picture follow one another, and share its keys and values.
    """

    keys: Tensor | None = None
    values: Tensor | None = None
    picture: tuple[Tensor, Tensor] | None = None

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds the newest words' keys and values [R, heads, new, D / heads], and returns those of all words."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat((self.keys, keys), dim=2), torch.cat((self.values, values), dim=2)
        self.keys, self.values = keys, values
        return keys, values

    def reorder(self, rows: Tensor) -> None:
        """Row i continues what was row `rows[i]`."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)

    def repeat(self, times: int) -> None:
        """Each row of words `times` times in a row."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys.repeat_interleave(times, 0), self.values.repeat_interleave(times, 0)


@dataclass
class DecoderCache:
    """What a decoder keeps between two words, so that no word and no picture is computed twice."""

    layers: list[LayerCache] = field(default_factory=list)
    length: int = 0

    def layer(self, number: int) -> LayerCache:
        """The cache of one layer, made at its first use."""
        while len(self.layers) <= number:
            self.layers.append(LayerCache())
        return self.layers[number]

    def reorder(self, rows: Tensor) -> None:
        """Row i continues what was row `rows[i]`. Rows may only move within their picture."""
        for layer in self.layers:
            layer.reorder(rows)

    def repeat(self, times: int) -> None:
        """Each row `times` times in a row: what was one caption goes on as several."""
        for layer in self.layers:
            layer.repeat(times)


class Attention(nn.Module):
    """Multi-head attention of queries [B, L, D] over keys and values [B, heads, S, D / heads]."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key_value = nn.Linear(embed_dim, 2 * embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def keys_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of `source` [B, S, D], each [B, heads, S, D / heads]."""
        keys, values = _linear(source, self.key_value).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None = None,
        is_causal: bool = False,
        shown: list[Tensor] | None = None,
    ) -> Tensor:
        """With `shown`, the attention [B, heads, L, S] is computed openly, without dropout, and appended to it."""
        queries = self._split(_linear(x, self.query))
        if shown is not None:
            shown.append(open_attention(queries, keys, mask, is_causal))
            mixed = shown[-1] @ values
        else:
            dropout = self.dropout if self.training else 0.0
            mixed = F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask, dropout_p=dropout, is_causal=is_causal
            )
        return _linear(mixed.transpose(1, 2).flatten(2), self.out)

    def _split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.view(batch, length, self.num_heads, width // self.num_heads).transpose(1, 2)


def open_attention(queries: Tensor, keys: Tensor, mask: Tensor | None, is_causal: bool) -> Tensor:
    """What fused attention hides: softmax(q k^T / sqrt(d)) [B, heads, L, S]; `mask` is true where one may look."""
    scores = queries @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5
    if is_causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1)


@dataclass
class Shown:
    """Attention of each layer in its order: of the words [B, heads, L, L], and of the picture [B, heads, L, N]."""

    words: list[Tensor] = field(default_factory=list)
    picture: list[Tensor] = field(default_factory=list)


class DecoderLayer(nn.Module):
    """Self-attention over the words so far, cross-attention to the picture, then the MLP; each pre-norm residual."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(embed_dim)
        self.self_attention = Attention(embed_dim, num_heads, dropout)
        self.cross_norm = nn.LayerNorm(embed_dim)
        self.cross_attention = Attention(embed_dim, num_heads, dropout)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        hidden = int(embed_dim * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden), nn.GELU(), nn.Linear(hidden, embed_dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None, shown: Shown | None = None) -> Tensor:
        """`x` [B, L, D] are the words, `memory` [B, N, D] the picture, `mask` [B, 1, 1, N] its real columns."""
        words_shown, picture_shown = (None, None) if shown is None else (shown.words, shown.picture)
        normed = _normed(x, self.self_norm)
        keys, values = self.self_attention.keys_values(normed)
        x = x + self._dropped(self.self_attention(normed, keys, values, None, x.shape[1] > 1, words_shown))
        keys, values = self.cross_attention.keys_values(memory)
        normed = _normed(x, self.cross_norm)
        x = x + self._dropped(self.cross_attention(normed, keys, values, mask, False, picture_shown))
        first, _, second = self.mlp
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        return x + self._dropped(_linear(F.gelu(_linear(_normed(x, self.mlp_norm), first)), second))

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout.p) if self.training else x


def _linear(x: Tensor, layer: Any) -> Tensor:
    return F.linear(x, layer.weight, layer.bias)


def _normed(x: Tensor, layer: nn.LayerNorm) -> Tensor:
    return torch.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)


def causality(length: int, past: int, device: torch.device) -> tuple[Tensor | None, bool]:
    """`(mask, is_causal)` for `length` new words after `past` cached ones: a word sees itself and what precedes it."""
    if length == 1:
        return None, False
    if past == 0:
        return None, True
    return torch.ones(length, past + length, dtype=torch.bool, device=device).tril(past), False


class CaptionDecoder(nn.Module):
    """Token numbers and a picture's tokens in, scores of the next token out; input and output embedding are tied."""

    def __init__(
        self,
        *,
        vocab_size: int,
        memory_dim: int,
        embed_dim: int = 128,
        depth: int = 3,
        num_heads: int = 4,
        mlp_ratio: float = 4.0,
        max_length: int = 40,
        dropout: float = 0.1,
    ) -> None:
        """`memory_dim` is the width of the picture's tokens; `max_length` counts start and end."""
        super().__init__()
        self.max_length = max_length
        self.token_embed = nn.Embedding(vocab_size, embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, max_length, embed_dim))
        self.memory_norm = nn.LayerNorm(memory_dim)
        self.memory_proj = nn.Linear(memory_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(DecoderLayer(embed_dim, num_heads, mlp_ratio, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim)
        self.apply(_initialise)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def picture(self, memory: Memory) -> Tensor:
        """The picture's tokens in the decoder's width [B, N, embed_dim]."""
        projected: Tensor = self.memory_proj(self.memory_norm(memory.tokens))
        return projected

    def forward(self, ids: Tensor, memory: Memory, shown: Shown | None = None) -> Tensor:
        """Scores [B, L, vocab_size] of the token after each of `ids` [B, L].

        With `shown`, each layer adds its attention to it. Positions beyond `max_length` raise IndexError.
        """
        fits(ids.shape[1], self.max_length)
        x = self.dropout(self.token_embed(ids) + self.pos_embed[:, : ids.shape[1]])
        picture, mask = self.picture(memory), memory.mask
        for layer in self.layers:
            x = layer(x, picture, mask, shown)
        return F.linear(self.norm(x), self.token_embed.weight)


def fits(length: int, max_length: int) -> None:
    """Raises IndexError if a decoder has not that many positions."""
    if length > max_length:
        raise IndexError(f"{length} tokens do not fit the decoder's {max_length} positions")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
