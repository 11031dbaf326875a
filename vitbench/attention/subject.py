"""What an explanation method reads: a quiet network, a batch of pictures, and which tokens mean what."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitbench.attention.result import Query
from vitbench.errors import UserError
from vitbench.methods import without_attention
from vitbench.models.attention_hooks import AttentionCall, AttentionHooks, Keep, whole
from vitbench.models.backbone import Backbone
from vitbench.models.network import Network
from vitbench.models.token_and_mean import TOKEN_AND_MEAN
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class Subject:
    """A network, quiet (see `vitbench.models.inference`), and the pictures it is asked about.

    N = P prefix tokens + T patches; `grid` is (rows, columns) with rows x columns = T.
    """

    module: nn.Module
    backbone: Backbone
    name: str
    pixels: Tensor
    """float [B, 3, H, W], normalised."""
    black: Tensor
    """The normalised value of a black pixel: [3, 1, 1]."""
    target: Tensor | None
    """The class to explain, from 0: int64 [B], or [1] for all; None for the likeliest of each picture."""
    progress: Progress = silent
    """Told how far a method is that asks the network many times."""

    @classmethod
    def of(
        cls,
        network: Network,
        module: nn.Module,
        pixels: Tensor,
        target: Tensor | None = None,
        progress: Progress = silent,
    ) -> "Subject":
        """`module` is the network's own, quiet; `pixels` are on its device."""
        black = network.preprocessing.normalize(torch.zeros(1, 1, 3, dtype=torch.uint8))
        return cls(module, network.backbone, network.name, pixels, black.to(pixels), target, progress)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the patches; cells of 16 pixels for a network without one patch grid."""
        height, width = int(self.pixels.shape[-2]), int(self.pixels.shape[-1])
        if self.backbone.refusal is not None:
            return max(1, height // 16), max(1, width // 16)
        return self.backbone.patch_grid(height, width)

    @property
    def tokens(self) -> int:
        """N, prefix tokens and patches."""
        return self.backbone.num_prefix_tokens + self.grid[0] * self.grid[1]

    def targets(self, logits: Tensor) -> Tensor:
        """The class that is explained for each picture: int64 [B]; the likeliest one where none was asked for.

        Raises UserError if a class does not exist.
        """
        if self.target is None:
            return logits.detach().argmax(dim=1)
        if int(self.target.min()) < 0 or int(self.target.max()) >= logits.shape[1]:
            raise UserError(
                f"There is no class {int(self.target.max())}: {self.name} has {logits.shape[1]} classes, from 0."
            )
        return self.target.to(logits.device).expand(logits.shape[0])

    def require_global_attention(self) -> None:
        """Raises UserError, in words, if blocks do not attend from every token to every token of one grid."""
        if self.backbone.refusal is not None:
            reason = self.backbone.refusal.split(", so ")[0]
            raise UserError(f"{reason}, so it has no attention over the whole picture to show; {without_attention()}.")

    def score(self, logits: Tensor) -> Tensor:
        """The sum over the batch of the target logits, of logits [B, classes]: a scalar with its graph.

        Samples do not interact, so one backward pass serves all.
        """
        return logits.gather(1, self.targets(logits)[:, None]).sum()

    def patches(self, values: Tensor) -> Tensor:
        """Token values [B, N] as a map [B, rows, columns], prefix tokens dropped."""
        return values[:, values.shape[1] - self.grid[0] * self.grid[1] :].unflatten(1, self.grid)

    def query_row(self, query: tuple[int, int]) -> Tensor:
        """The one-hot row [1, N] of the patch at (row, column). Raises UserError outside the grid."""
        rows, columns = self.grid
        if not (0 <= query[0] < rows and 0 <= query[1] < columns):
            raise UserError(no_patch(query, self.grid))
        row = self.pixels.new_zeros(1, self.tokens)
        row[0, self.backbone.num_prefix_tokens + query[0] * columns + query[1]] = 1
        return row


def no_patch(patch: tuple[int, int], grid: tuple[int, int]) -> str:
    """The sentence for a patch (row, column), from 0, that is not on the grid; it counts from 1 as people do."""
    return (
        f"There is no patch in row {patch[0] + 1}, column {patch[1] + 1}: the grid has {grid[0]} rows and {grid[1]}"
        " columns."
    )


@dataclass(frozen=True)
class Layers:
    """The attention of one forward pass, sorted: a call for each block, and the calls of attention pools."""

    blocks: list[AttentionCall]
    pools: list[AttentionCall]

    def maps(self) -> list[Tensor]:
        """What was kept of each block's map, first block first."""
        return [call.kept for call in self.blocks]


def sorted_layers(subject: Subject, calls: Sequence[AttentionCall]) -> Layers:
    """The calls that attention hooks recorded, given to blocks and pools.

    Raises UserError, in words, if the network has no attention from every token to every token in each block.
    """
    names = {id(module): name for name, module in subject.module.named_modules()}
    blocks = [names[id(block)] for block in subject.backbone.blocks]
    pools = [names[id(pool)] for pool in subject.backbone.attention_pools]
    found = []
    for number, block in enumerate(blocks):
        inside = [call for call in calls if _within(call.module, block)]
        square = [
            call for call in inside if call.shape[-2:] == (subject.tokens, subject.tokens) and len(call.shape) == 4
        ]
        square = [call for call in square if call.shape[0] == subject.pixels.shape[0]]
        if len(square) != 1 or len(inside) != 1:
            raise UserError(_why_not(subject, number, inside))
        found.append(square[0])
    if not found:
        raise UserError(f"{subject.name} has no transformer blocks that attend; {without_attention()}.")
    pooled = [call for call in calls if any(_within(call.module, pool) for pool in pools)]
    if len(pooled) < len(pools):
        raise UserError(
            f"{subject.name} has {len(pools)} attention pools but showed {len(pooled)} of their maps, so nothing is"
            f" drawn; {without_attention()}."
        )
    return Layers(found, pooled)


def _within(module: str, parent: str) -> bool:
    return module == parent or module.startswith(parent + ".")


def _why_not(subject: Subject, number: int, inside: Sequence[AttentionCall]) -> str:
    """One sentence on why block `number` has no map of all tokens by all tokens."""
    start = f"{subject.name}: block {number + 1}"
    if not inside:
        return f"{start} computes no attention by softmax, so there is no map to show; {without_attention()}."
    if len(inside) > 1:
        return (
            f"{start} computes {len(inside)} attention maps, of which none is the block's own; {without_attention()}."
        )
    shape = inside[0].shape
    if shape[0] != subject.pixels.shape[0]:
        return f"{start} attends within windows, not from every patch to every patch; {without_attention()}."
    return (
        f"{start} attends over a {shape[-2]} x {shape[-1]} table where the picture has {subject.tokens} tokens"
        f" (channels, pooled keys or another scale); {without_attention()}."
    )


def attend(subject: Subject, keep: Keep = whole) -> tuple[Tensor, Layers]:
    """One hooked forward pass without gradients: logits [B, C] and the attention layers."""
    subject.require_global_attention()
    with torch.no_grad(), AttentionHooks(subject.module, keep) as hooks:
        logits = subject.module(subject.pixels)
    return logits, sorted_layers(subject, hooks.calls)


def reading_row(subject: Subject, layers: Layers) -> Tensor:
    """How the classifier reads the last block's tokens: weights [B or 1, N] that sum to 1.

    One-hot for a class token, both for a distilled pair, even over the patches for average pooling, half of each for a
    head that reads both, and the pool's own attention (mean over heads and its queries) for attention pooling.
    The network's pooling decides, not whether it has a class token.
    """
    tokens = subject.tokens
    if layers.pools:
        pooled = layers.pools[-1].kept
        return pooled.mean(dim=tuple(range(1, pooled.dim() - 1)))
    backbone = subject.backbone
    row = subject.pixels.new_zeros(1, tokens)
    if backbone.pooling == TOKEN_AND_MEAN:
        row[0, backbone.num_prefix_tokens :] = 0.5 / (tokens - backbone.num_prefix_tokens)
        row[0, 0] = 0.5
        return row
    if backbone.pooling == "token":
        read = list(backbone.reading_tokens)
    else:
        read = list(range(0 if backbone.pools_prefix_tokens else backbone.num_prefix_tokens, tokens))
    row[0, read] = 1 / len(read)
    return row


def start_row(subject: Subject, layers: Layers, query: Query | None) -> Tensor:
    """The row [B or 1, N] that a product of layers starts from: what the classifier reads, or a query patch."""
    return reading_row(subject, layers) if query is None else subject.query_row(query)
