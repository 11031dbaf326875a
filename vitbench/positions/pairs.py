"""The pairs of patches on a grid that the scores of positions are about."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Grid = tuple[int, int]


class Pairs:
    """The P = T (T - 1) / 2 pairs i < j of a grid's T patches, and how each lies.

    [P]: `first` and `second` (i and j), `distance` in patches, `same_row`, `same_column`, and `offset`, the number of
    the pair's (rows, columns) apart. `neighbours` [T, T]: directly beside, above or below each other.
    """

    def __init__(self, grid: Grid) -> None:
        rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
        self.first, self.second = np.triu_indices(grid[0] * grid[1], 1)
        down = rows[self.second] - rows[self.first]
        across = columns[self.second] - columns[self.first]
        self.distance = np.hypot(down, across)
        self.same_row, self.same_column = down == 0, across == 0
        self.offset = np.unique(np.stack([down, across]), axis=1, return_inverse=True)[1].ravel()
        self.neighbours = np.abs(rows[:, None] - rows) + np.abs(columns[:, None] - columns) == 1

    def of(self, similarity: Floats) -> Floats:
        """The values [P] of the pairs in [T, T]."""
        return similarity[self.first, self.second]
