"""What a set of position vectors knows about place, as numbers with p-values. Exact, from the weights alone.

T patches on a grid (rows, columns) in reading order. C is the similarity of each two, [T, T]; d their distance in
patches. A p-value is the share of shuffled patches that score as high: (1 + count) / (1 + permutations).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.positions.pairs import Floats, Grid, Pairs
from vitbench.positions.permutations import Permutations, p_values
from vitbench.progress import Progress, silent
from vitbench.statistics import ranks

PERMUTATIONS = 499


@dataclass(frozen=True)
class ScorecardLine:
    """One line of the scorecard."""

    name: str
    title: str
    value: float
    p_value: float


def cosine_similarity(vectors: Floats) -> Floats:
    """C [T, T] of vectors [T, D]; a zero vector is similar to nothing."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths == 0, 1, lengths)
    return unit @ unit.T


def locality(similarity: Floats, pairs: Pairs, distance_ranks: Floats) -> float:
    """-Spearman(d, C) over all pairs, -1 to 1: 1 when nearer always means more alike. `distance_ranks`: `ranks(d)`."""
    return -float(np.corrcoef(distance_ranks, ranks(pairs.of(similarity)))[0, 1])


def best_match_is_neighbour(similarity: Floats, neighbours: NDArray[np.bool_]) -> float:
    """The share of patches whose most similar other is one of their `neighbours` (bool [T, T]); ties count in part."""
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    best = others >= others.max(axis=1, keepdims=True) - 1e-9
    return float(((best & neighbours).sum(axis=1) / best.sum(axis=1)).mean())


def line_lift(similarity: Floats, pairs: Pairs, along: NDArray[np.bool_], across: NDArray[np.bool_]) -> float:
    """How much more alike two patches of one line (`along`) are than two in neither row nor column in common, at the
    same distance: distances rounded, from 2, each distance counting once. NaN on a grid without such pairs.

    `along` and `across` are bool, one a pair, as `Pairs.same_row` and `same_column`; the result is in units of C.
    """
    values, rounded = pairs.of(similarity), np.round(pairs.distance).astype(int)
    far = pairs.distance >= 2
    lifts = []
    for distance in np.unique(rounded[far]):
        at = far & (rounded == distance)
        inside, outside = values[at & along], values[at & ~along & ~across]
        if inside.size and outside.size:
            lifts.append(inside.mean() - outside.mean())
    return float(np.mean(lifts)) if lifts else float("nan")


def additive_r2(vectors: Floats, grid: Grid) -> float:
    """Adjusted R2 of vectors [T, D] = mean + one vector for the row + one for the column: 1 when row and column are
    coded apart, about 0 for random vectors; NaN where all are alike, or the grid has too few patches."""
    table = (vectors - vectors.mean(axis=0)).reshape(*grid, -1)
    fitted = table.mean(axis=1, keepdims=True) + table.mean(axis=0, keepdims=True)
    total = float((table**2).sum())
    if total == 0:
        return float("nan")
    count, parameters = grid[0] * grid[1], grid[0] + grid[1] - 2
    if count - parameters - 1 <= 0:
        return float("nan")
    r2 = 1 - float(((table - fitted) ** 2).sum()) / total
    return 1 - (1 - r2) * (count - 1) / (count - parameters - 1)


def toeplitz_r2(similarity: Floats, pairs: Pairs) -> float:
    """R2 of C explained by the offset (rows, columns) between two patches alone: 1 when only the offset counts, NaN
    where C is everywhere the same."""
    values = pairs.of(similarity)
    counts = np.bincount(pairs.offset)
    means = np.bincount(pairs.offset, values) / np.where(counts == 0, 1, counts)
    total = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - means[pairs.offset]) ** 2).sum()) / total if total else float("nan")


def scorecard(
    similarity: Floats,
    grid: Grid,
    vectors: Floats | None = None,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> list[ScorecardLine]:
    """Every measure of a similarity matrix [T, T], and of its `vectors` [T, D] where there are any.

    A measure that the grid is too small for is NaN. `progress` is told of each few shuffles, and may end the work.
    """
    pairs = Pairs(grid)
    found = {
        "locality": (
            "nearby patches are similar (-Spearman of distance and similarity)",
            locality(similarity, pairs, ranks(pairs.distance)),
        ),
        "best_match_is_neighbour": (
            "best match is one of the four neighbours",
            best_match_is_neighbour(similarity, pairs.neighbours),
        ),
        "row_lift": (
            "patches of a row are similar beyond their distance",
            line_lift(similarity, pairs, pairs.same_row, pairs.same_column),
        ),
        "column_lift": (
            "patches of a column are similar beyond their distance",
            line_lift(similarity, pairs, pairs.same_column, pairs.same_row),
        ),
    }
    if vectors is not None:
        words = "row and column are coded apart (adjusted R2 of mean + row + column)"
        found["additive_r2"] = (words, additive_r2(vectors, grid))
    words = "only the offset counts (R2 of similarity by offset)"
    found["toeplitz_r2"] = (words, toeplitz_r2(similarity, pairs))
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(similarity)) for _ in range(permutations)]
    named = [name for name, (_, value) in found.items() if not np.isnan(value)]
    shuffled = p_values(
        Permutations(similarity, grid, vectors, pairs),
        orders,
        named,
        lambda done, total: progress(done, total, "shuffling patches for the p-values"),
    )
    return [
        ScorecardLine(name, title, value, shuffled.get(name, float("nan"))) for name, (title, value) in found.items()
    ]
