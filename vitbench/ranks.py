"""The processes that train one run together, as whatever trains sees them. Alone, everything here does nothing.

Each process has a number, its rank, and holds the same weights; a batch is divided among them. What is agreed or
gathered is the same in all of them afterwards. `vitbench.training.distributed` is how they are joined.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class Ranks:
    """One process alone; a subclass joins several."""

    rank = 0
    world = 1

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.world == 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, numbers: np.ndarray, *, mirrored: bool = False) -> np.ndarray:
        """The part of a batch that this process computes, of `numbers` in any shape [B, ...].

        `mirrored` keeps each element together with its mirror image in the batch, so that the reverse of the part
        pairs what the reverse of the whole batch would pair: mixup takes its partners so.
        """
        if self.alone:
            return numbers
        places = np.arange(len(numbers))
        if mirrored:
            places = places[np.minimum(places, len(numbers) - 1 - places) % self.world == self.rank]
            return numbers[places]
        return numbers[self.rank :: self.world]

    def gather(self, value: T) -> list[T]:
        """What each process gives, by rank."""
        return [value]

    def gather_rows(self, numbers: np.ndarray, *rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """The rows of all processes in the order of their `numbers`, which come first; each number comes once."""
        if self.alone:
            return numbers, *rows
        told = self.gather((numbers, *rows))
        told = [part for part in told if len(part[0])] or told[:1]  # without a row, the others' shapes are not known
        joined = [np.concatenate(parts) for parts in zip(*told, strict=True)]
        order = np.argsort(joined[0], kind="stable")
        return tuple(column[order] for column in joined)

    def gather_all(self, values: Sequence[T]) -> list[T]:
        """The elements of every process's list, by rank."""
        return [value for part in self.gather(list(values)) for value in part]

    def agree(self, number: int) -> int:
        """The largest number that a process gives."""
        return number

    def total(
        self, loss: "Tensor", extras: dict[str, "Tensor"], terms: int, pictures: int
    ) -> tuple["Tensor", dict[str, "Tensor"], int, int]:
        """The mean of losses and extras (scalars) over the processes, and the sums of terms and pictures."""
        return loss, extras, terms, pictures

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Rank 0 does what is inside alone; when it is done, the others do it, and find what it has written."""
        yield

    def join(self, module: Any) -> Any:
        """The module, with gradients that are means over the processes."""
        return module

    def close(self) -> None:
        """Leaves the others."""


ALONE = Ranks()
