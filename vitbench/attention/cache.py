"""The attention of one forward pass, kept: layers, heads and query patches to move between without computing again."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vitbench.attention.result import Query
from vitbench.attention.subject import Subject, attend, no_patch, reading_row
from vitbench.errors import UserError
from vitbench.models.attention_hooks import whole
from vitbench.models.inference import quiet
from vitbench.models.network import Network


@dataclass(frozen=True)
class CachedAttention:
    """logits [B, C]; layers: a map [B, H, N, N] for each block, first block first; pool: [B, H, queries, T] or None.

    `reading` [B or 1, N] is how the classifier reads the last block's tokens; N = num_prefix_tokens + T.
    """

    logits: Tensor
    layers: list[Tensor]
    pool: Tensor | None
    reading: Tensor
    grid: tuple[int, int]
    num_prefix_tokens: int

    def cpu(self) -> "CachedAttention":
        """The same in main memory."""
        return replace(
            self,
            logits=self.logits.cpu(),
            layers=[layer.cpu() for layer in self.layers],
            pool=None if self.pool is None else self.pool.cpu(),
            reading=self.reading.cpu(),
        )

    def map(self, layer: int | None = None, head: int | None = None, query: Query | None = None) -> Tensor:
        """Attention to the patches [B, rows, columns] from what the classifier reads, or from a query patch.

        layer: from 0, negative from the end, None the last (of a network with an attention pool: the pool itself).
        head: from 0; None is the mean. Raises UserError for one that does not exist.
        """
        if self.pool is not None and layer is None and query is None:
            row = chosen_head(self.pool, head).mean(dim=1)
        else:
            attention = chosen_head(self.layers[layer_number(len(self.layers), layer)], head)
            start = self.reading if query is None else self._query_row(query)
            row = (start[:, None, :].to(attention) @ attention).squeeze(1)
        return row[:, row.shape[1] - self.grid[0] * self.grid[1] :].unflatten(1, self.grid)

    def mean_distance(self) -> Tensor:
        """How far each head looks, in patches: [B, layers, heads]; patch tokens only, renormalised, mean over them."""
        return torch.stack([mean_attention_distance(layer, self.grid) for layer in self.layers], dim=1)

    def _query_row(self, query: Query) -> Tensor:
        rows, columns = self.grid
        if not (0 <= query[0] < rows and 0 <= query[1] < columns):
            raise UserError(no_patch(query, self.grid))
        row = torch.zeros(1, self.num_prefix_tokens + rows * columns)
        row[0, self.num_prefix_tokens + query[0] * columns + query[1]] = 1
        return row


def all_attention(network: Network, pixels: Tensor) -> CachedAttention:
    """One forward pass over normalised pictures [B, 3, H, W], every attention map kept (22 MB for ViT-B/16 at 224).

    Raises UserError where the network has no attention over the whole picture.
    """
    with quiet(network.module) as module:
        pixels = pixels.to(next(module.parameters()).device)
        return attend_to_all(Subject.of(network, module, pixels))


def attend_to_all(subject: Subject) -> CachedAttention:
    """The same for a network that is quiet already."""
    logits, layers = attend(subject, whole)
    return CachedAttention(
        logits=logits,
        layers=layers.maps(),
        pool=layers.pools[-1].kept if layers.pools else None,
        reading=reading_row(subject, layers),
        grid=subject.grid,
        num_prefix_tokens=subject.backbone.num_prefix_tokens,
    )


def mean_attention_distance(attention: Tensor, grid: tuple[int, int]) -> Tensor:
    """[B, H, N, N] to [B, H]: the mean distance in patches, weighted by attention, between a patch and what it looks
    at (Dosovitskiy et al. 2021, figure 7 right). Prefix tokens are left out and the rest renormalised."""
    patches = grid[0] * grid[1]
    between = attention[:, :, -patches:, -patches:]
    between = between / between.sum(dim=-1, keepdim=True)
    place = torch.arange(patches, device=attention.device)
    places = torch.stack([place // grid[1], place % grid[1]], dim=1).to(attention.dtype)
    return (between * torch.cdist(places, places)).sum(dim=-1).mean(dim=-1)


def chosen_head(attention: Tensor, head: int | None) -> Tensor:
    """One head (from 0) of [B, H, queries, keys], or the mean over heads: [B, queries, keys].

    Raises UserError where there is no such head.
    """
    if head is None:
        return attention.mean(dim=1)
    if not 0 <= head < attention.shape[1]:
        raise UserError(f"There is no head {head + 1}: the layer has {attention.shape[1]}, counted from 1.")
    return attention[:, head]


def layer_number(count: int, layer: int | None) -> int:
    """`layer` as an index from 0; None is the last, negative counts from the end. Raises UserError outside."""
    layer = count - 1 if layer is None else layer
    if not -count <= layer < count:
        named = layer + 1 if layer >= 0 else layer
        raise UserError(f"There is no layer {named}: the network has {count}, counted from 1.")
    return layer % count
