"""Where values lie on the picture: token sequences and feature maps of any stage, brought onto one grid."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.methods import on_any_network
from vitbench.models.backbone import Backbone

MOST_PREFIX_TOKENS = 8


def blocks_of(module: nn.Module, backbone: Backbone) -> Sequence[nn.Module]:
    """The transformer blocks in order of definition, of windowed and pyramidal networks too: each module that has
    an attention and an MLP of its own. Raises UserError if there are none."""
    if backbone.refusal is None:
        return backbone.blocks
    blocks = []
    for part in module.modules():
        children = {name for name, _ in part.named_children()}
        if any(name.startswith("attn") for name in children) and children & {"mlp", "ffn"}:
            blocks.append(part)
    if not blocks:
        raise UserError(f"{type(module).__name__} has no blocks of attention and MLP; {on_any_network()}.")
    return blocks


def sequence_grid(length: int, height: int, width: int) -> tuple[int, int, int] | None:
    """(prefix tokens, rows, columns) of a token sequence over a picture of height x width: the fewest prefix tokens
    that leave a grid of the picture's proportions; None if there is no such grid."""
    for prefix in range(min(MOST_PREFIX_TOKENS, length)):
        rows = round(math.sqrt((length - prefix) * height / width))
        if rows and (length - prefix) % rows == 0 and is_grid(rows, (length - prefix) // rows, height, width):
            return prefix, rows, (length - prefix) // rows
    return None


def is_grid(rows: int, columns: int, height: int, width: int) -> bool:
    """Whether rows x columns covers the picture with square cells, up to padding of less than a cell."""
    stride = max(height / rows, width / columns)
    return stride >= 1 and rows - 1 < height / stride <= rows and columns - 1 < width / stride <= columns


def on_grid(values: Tensor, height: int, width: int) -> Tensor | None:
    """Tokens [B, N, D], or a feature map [B, D, h, w] or [B, h, w, D], as [B, rows, columns, D], prefix tokens
    dropped; None if they have no place on the picture of height x width."""
    if values.dim() == 3:
        found = sequence_grid(values.shape[1], height, width)
        return None if found is None else values[:, found[0] :].unflatten(1, found[1:])
    if values.dim() == 4 and is_grid(values.shape[2], values.shape[3], height, width):
        return values.movedim(1, -1)
    if values.dim() == 4 and is_grid(values.shape[1], values.shape[2], height, width):
        return values
    return None


def resample(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """[B, h, w] brought onto another grid, the sum over the picture kept."""
    if tuple(values.shape[1:]) == grid:
        return values
    cells = values.shape[1] * values.shape[2]
    return F.adaptive_avg_pool2d(values[:, None], grid)[:, 0] * (cells / (grid[0] * grid[1]))


def pixel_sums(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Values of pixels [B, C, H, W] summed over channels and over the pixels of each patch: [B, rows, columns]."""
    return resample(values.sum(dim=1), grid)


def total_on(grid: tuple[int, int], parts: Sequence[Tensor]) -> Tensor:
    """The sum of maps of any resolution on one grid: [B, rows, columns]."""
    return torch.stack([resample(part, grid) for part in parts]).sum(dim=0)
