"""What a network knows about place: its position embeddings, or what stands in their place, and how far it looks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.network import Network
from vitbench.positions.pairs import Floats
from vitbench.positions.scores import PERMUTATIONS, ScorecardLine, cosine_similarity, scorecard
from vitbench.progress import Progress, silent


@dataclass(frozen=True)
class Positions:
    """Position knowledge of one kind, for T patches on a grid (rows, columns) in reading order.

    similarity: float64 [T, T], row i is the tile of patch i. Cosine from -1 to 1 for vectors and rotations; for a
    relative bias the bias itself, mean over heads, over its largest magnitude.
    vectors: float64 [T, D], absolute embeddings, or sine and cosine of each rotation; None for a relative bias.
    """

    kind: str
    sentence: str
    grid: tuple[int, int]
    similarity: Floats
    vectors: Floats | None

    @property
    def norms(self) -> Floats | None:
        """The length of each patch's vector: [rows, columns]; None where there are no vectors."""
        return None if self.vectors is None else np.linalg.norm(self.vectors, axis=1).reshape(self.grid)

    def tile(self, row: int, column: int) -> Floats:
        """How similar every patch is to the one at (row, column): [rows, columns]."""
        return self.similarity[row * self.grid[1] + column].reshape(self.grid)

    def scorecard(self, permutations: int = PERMUTATIONS, progress: Progress = silent) -> list[ScorecardLine]:
        """The numbers of `vitbench.positions.scores` for this network."""
        return scorecard(self.similarity, self.grid, self.vectors, permutations=permutations, progress=progress)


def positions(network: Network) -> list[Positions]:
    """Each way in which the network marks the place of its patches, the main one first; class tokens are dropped.

    Raises UserError if it has none, or is not a plain Vision Transformer.
    """
    embedding = network.backbone.position_embedding
    found = []
    for kind in embedding.kinds:
        if kind == "absolute":
            found.append(_absolute(embedding.absolute(), embedding.grid))
        elif kind == "rotary":
            assert embedding.rotary is not None
            found.append(_rotary(embedding.rotary, embedding.grid))
        elif kind == "relative_bias":
            found.append(_relative_bias(embedding.relative_biases, embedding.grid))
    if not found:
        embedding.absolute()
    return found


def _absolute(vectors: Tensor, grid: tuple[int, int]) -> Positions:
    values = vectors.detach().double().cpu().numpy()
    sentence = "Cosine similarity of the learned position embeddings; class and register tokens dropped."
    return Positions("absolute", sentence, grid, cosine_similarity(values), values)


def _rotary(rope: Any, grid: tuple[int, int]) -> Positions:
    """The kernel of a rotation: cos of the angle between two places, mean over frequencies (and over heads and blocks
    where these have their own)."""
    with torch.no_grad():
        embed = rope.get_embed(shape=list(grid))
    angles = torch.cat(list(embed), dim=-1) if isinstance(embed, tuple) else embed
    values = angles.detach().double().cpu()
    values = values.reshape(-1, *values.shape[-2:]).movedim(0, 1).flatten(1).numpy()
    sentence = "Mean cosine of the angle by which queries and keys of two patches are rotated apart."
    return Positions("rotary", sentence, grid, cosine_similarity(values), values)


def _relative_bias(modules: tuple[torch.nn.Module, ...], grid: tuple[int, int]) -> Positions:
    """The bias that attention adds for each pair of patches: mean over heads and over the blocks that have one."""
    count = grid[0] * grid[1]
    tables = []
    for module in modules:
        ask = getattr(module, "get_bias", None) or getattr(module, "_get_rel_pos_bias", None) or module
        with torch.no_grad():
            bias = ask().detach().double().cpu()
        tables.append(bias.reshape(-1, *bias.shape[-2:]).mean(dim=0)[-count:, -count:])
    mean = torch.stack(tables).mean(dim=0).numpy()
    largest = float(np.abs(mean).max()) or 1.0
    sentence = (
        "Relative position bias that attention adds for each pair of patches, mean over heads and blocks,"
        f" divided by its largest magnitude, {largest:.3g}."
    )
    return Positions("relative_bias", sentence, grid, mean / largest, None)


def principal_components(vectors: Floats, count: int = 3) -> tuple[Floats, Floats]:
    """The first principal components of [T, D]: scores [T, count] and the share of variance of each [count].

    Signs are fixed by the largest score, so a figure does not flip between machines.
    """
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    count = min(count, len(sizes))
    scores = left[:, :count] * sizes[:count]
    largest = np.abs(scores).argmax(axis=0)
    scores *= np.where(scores[largest, np.arange(count)] < 0, -1, 1)
    total = float((sizes**2).sum())
    return scores, sizes[:count] ** 2 / (total or 1)


def components_as_colour(positions: Positions) -> tuple[NDArray[np.uint8], Floats]:
    """The first three components as red, green and blue: uint8 [rows, columns, 3], and their shares of variance.

    Raises UserError for a relative bias, which has no vectors.
    """
    if positions.vectors is None:
        raise UserError("A relative position bias has no vectors, so it has no principal components.")
    scores, shares = principal_components(positions.vectors)
    low, high = scores.min(axis=0), scores.max(axis=0)
    levels = (scores - low) / np.where(high > low, high - low, 1)
    colours = np.zeros((len(scores), 3))
    colours[:, : levels.shape[1]] = levels
    return (colours * 255).round().astype(np.uint8).reshape(*positions.grid, 3), shares


def filter_components(network: Network, count: int = 28) -> tuple[list[NDArray[np.uint8]], Floats]:
    """The principal components of the patch embedding's filters, as in the ViT paper's figure 7 (left).

    Each is uint8 [patch height, patch width, 3], stretched to its own range; and their shares of variance.
    Raises UserError if the patches are not embedded by one linear map of colour pixels.
    """
    projection = getattr(getattr(network.module, "patch_embed", None), "proj", None)
    weight = getattr(projection, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 4 or weight.shape[1] != 3:
        raise UserError(f"{network.name} does not embed its patches by one linear map, so it has no filters to show.")
    filters = weight.detach().double().cpu().numpy()
    flat = filters.reshape(len(filters), -1)
    _, sizes, components = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    count = min(count, len(components))
    pictures = []
    for component in components[:count]:
        component = component * np.sign(component[np.abs(component).argmax()])
        low, high = component.min(), component.max()
        levels = (component - low) / (high - low or 1)
        pictures.append((levels.reshape(filters.shape[1:]).transpose(1, 2, 0) * 255).round().astype(np.uint8))
    return pictures, sizes[:count] ** 2 / float((sizes**2).sum() or 1)


def spectrum(positions: Positions) -> Floats:
    """The share of power of the position vectors at each spatial frequency: [rows, columns], frequency 0 in the middle.

    Of their deviation from the mean, summed over channels. Raises UserError for a relative bias.
    """
    if positions.vectors is None:
        raise UserError("A relative position bias has no vectors, so it has no spectrum.")
    table = (positions.vectors - positions.vectors.mean(axis=0)).reshape(*positions.grid, -1)
    power = (np.abs(np.fft.fft2(table, axes=(0, 1))) ** 2).sum(axis=-1)
    return np.fft.fftshift(power / (power.sum() or 1))
