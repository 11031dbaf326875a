"""Which samples are in which batch of which epoch: the order of an epoch is f(seed, epoch)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vitbench.data.balance import balanced_order
from vitbench.data.randomness import ORDER, generator


@dataclass(frozen=True)
class BatchRequest:
    """One batch that is to be made: the numbers of its samples, int64 [B], in an epoch."""

    epoch: int
    numbers: np.ndarray


@dataclass
class BatchPlan:
    """The batches of all epochs, as numbers of samples. Iterating goes from `place` to the end of the last epoch.

    `labels` (int64 [N]) are those of the samples. With `balanced` an epoch, as long as ever, shows each class equally
    often. A network that normalises over the batch needs `at_least` two pictures: a shorter last batch begins with
    pictures of the first. Of each batch only the `share` of its numbers is made, where several processes divide it.
    """

    labels: np.ndarray
    seed: int
    batch_size: int
    shuffle: bool
    balanced: bool
    drop_last: bool
    epochs: int
    at_least: int
    share: Callable[[np.ndarray], np.ndarray]
    place: tuple[int, int] = (-1, -1)
    """The epoch, and the number of a batch in it, with which the iteration begins."""

    def __iter__(self) -> Iterator[BatchRequest]:
        epoch, batch = self.place
        for later in range(epoch, max(epoch + 1, self.epochs)):
            yield from self.requests(later, batch if later == epoch else 0)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.labels), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> np.ndarray:
        """The numbers of the samples in the order of an epoch, int64 [N]: f(seed, epoch).

        The k-th repeat of a sample has its number plus k N (see `Dataset.pixels`).
        """
        if not self.shuffle:
            return np.arange(len(self.labels))
        if self.balanced:
            return balanced_order(self.labels, seed=self.seed, epoch=epoch)
        return generator(ORDER, self.seed, epoch).permutation(len(self.labels))

    def whole(self, order: np.ndarray, start: int, size: int) -> np.ndarray:
        """The numbers of the batch that begins at `start` of an epoch's `order` (int64 [N]), `at_least` so many."""
        numbers = order[start : start + size]
        missing = self.at_least - len(numbers)
        # The same pictures as long as the order is the same, so a resumed run repeats them too.
        return numbers if missing <= 0 else np.concatenate([order[:missing], numbers])

    def requests(self, epoch: int, first_batch: int) -> Iterator[BatchRequest]:
        """What is to be made from here to the end of the epoch."""
        order = self.order(epoch)
        for batch in range(first_batch, len(self)):
            start = batch * self.batch_size
            yield BatchRequest(epoch, self.share(self.whole(order, start, self.batch_size)))
