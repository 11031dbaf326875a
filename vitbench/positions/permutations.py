"""The measures of `scores.py` for one shuffle of the patches after another, in a millisecond or two each.

A shuffle moves values between pairs and changes none, so ranks, totals and each patch's best matches are found once.
What is left of a measure is a weighted sum over pairs, or a sum a group of pairs.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vitbench.positions.pairs import Floats, Grid, Pairs
from vitbench.statistics import ranks

Order = NDArray[np.intp]


class Permutations:
    """`similarity` [T, T] and, where there are any, `vectors` [T, D] of patches on a grid, under shuffles."""

    def __init__(self, similarity: Floats, grid: Grid, vectors: Floats | None, pairs: Pairs) -> None:
        by_offset = np.argsort(pairs.offset, kind="stable")
        self._first, self._second = (places[by_offset].astype(np.int32) for places in (pairs.first, pairs.second))
        self._count = len(similarity)
        values = pairs.of(similarity)
        self._values = np.ascontiguousarray(similarity).ravel()
        rank = np.zeros_like(similarity)
        rank[pairs.first, pairs.second] = rank[pairs.second, pairs.first] = _centred(ranks(values))
        self._ranks = rank.ravel()
        self._distance = _centred(ranks(pairs.distance))[by_offset]
        self._row = line_weights(pairs, pairs.same_row, pairs.same_column)[by_offset]
        self._column = line_weights(pairs, pairs.same_column, pairs.same_row)[by_offset]
        sizes = np.bincount(pairs.offset)
        self._starts, self._sizes = np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes
        self._mean = float(values.mean())
        others = similarity.copy()
        np.fill_diagonal(others, -np.inf)
        best = others >= others.max(axis=1, keepdims=True) - 1e-9
        self._best = (best / best.sum(axis=1, keepdims=True)).ravel()
        self._beside = np.nonzero(pairs.neighbours)
        self._gram = None
        if vectors is not None:
            centred = vectors - vectors.mean(axis=0)
            gram = centred @ centred.T
            rows, columns = grid
            self._gram, self._own = gram.ravel(), float(np.trace(gram)) * (1 / columns + 1 / rows)
            self._lines = [
                (pairs.first[alike], pairs.second[alike], 2 / length)
                for alike, length in ((pairs.same_row, columns), (pairs.same_column, rows))
            ]

    def scores(self, order: Order) -> dict[str, float]:
        """The measures of patches in the order [T], up to a constant factor and summand that no shuffle changes."""
        short = order.astype(np.int32)
        flat = short.take(self._first) * np.int32(self._count)
        flat += short.take(self._second)
        values = self._values.take(flat)
        sums = np.add.reduceat(values - self._mean, self._starts)
        found = {
            "locality": -_product(self._distance, self._ranks.take(flat)),
            "best_match_is_neighbour": float(
                self._best[order[self._beside[0]] * self._count + order[self._beside[1]]].sum()
            ),
            "row_lift": _product(self._row, values),
            "column_lift": _product(self._column, values),
            "toeplitz_r2": float((sums**2 / self._sizes).sum()),
        }
        if self._gram is not None:
            found["additive_r2"] = self._additive(order, self._gram)
        return found

    def _additive(self, order: Order, gram: Floats) -> float:
        """The sum of squares that rows and columns explain (orthogonal on a full grid), from products of vectors."""
        explained = self._own
        for first, second, weight in self._lines:
            explained += weight * float(gram.take(order[first] * self._count + order[second]).sum())
        return explained


def p_values(
    permutations: Permutations, orders: list[Order], named: list[str], told: Callable[[int, int], None]
) -> dict[str, float]:
    """(1 + count) / (1 + permutations) for each measure of `named`, the count that of `orders` which score as high.

    `told` is called with how many orders are done, and of how many.
    """
    if not orders:
        return dict.fromkeys(named, 1.0)
    own = permutations.scores(np.arange(len(orders[0])))
    tolerance = {name: 1e-9 * max(1.0, abs(own[name])) for name in named}
    reached = dict.fromkeys(named, 0)
    for number, order in enumerate(orders):
        if number % 8 == 0:
            told(number, len(orders))
        scores = permutations.scores(order)
        for name in named:
            reached[name] += scores[name] >= own[name] - tolerance[name]
    return {name: (1 + reached[name]) / (1 + len(orders)) for name in named}


def line_weights(pairs: Pairs, along: NDArray[np.bool_], across: NDArray[np.bool_]) -> Floats:
    """A weight for each pair, so that the weighted sum of similarities is `line_lift` of `scores.py`."""
    rounded = np.round(pairs.distance).astype(int)
    far = pairs.distance >= 2
    weights, counted = np.zeros(len(rounded)), 0
    for distance in np.unique(rounded[far]):
        at = far & (rounded == distance)
        inside, outside = at & along, at & ~along & ~across
        if inside.any() and outside.any():
            weights[inside] += 1 / inside.sum()
            weights[outside] -= 1 / outside.sum()
            counted += 1
    return weights / max(1, counted)


def _product(weights: Floats, values: Floats) -> float:
    """The sum of products, in one thread: BLAS gives it to several, which on a busy machine wait for each other, 20 ms
    for what takes one 0.1 ms."""
    return float(np.einsum("i,i", weights, values))


def _centred(values: Floats) -> Floats:
    return values - values.mean()
