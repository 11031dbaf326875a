"""Labelled pictures of one split as pixels: from the cache or from the files, with the same result."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vitbench.data.augment import Augmentation, augmentation
from vitbench.data.cache import DecodedCache
from vitbench.data.index import DataIndex, Sample
from vitbench.data.pictures import UnreadablePicture, open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.data.problems import Problem
from vitbench.data.value_range import ValueRange


@dataclass(frozen=True)
class Dataset:
    """Samples of an index, at `positions` in it; `seed` and epoch decide on the augmentation.

    With a cache nothing is decoded; the pixels are the same.
    """

    index: DataIndex
    positions: np.ndarray
    augmentation: Augmentation
    seed: int = 0
    cache: DecodedCache | None = None
    labels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        labels = np.array([self.index.samples[position].label for position in self.positions], dtype=np.int64)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def preprocessing(self) -> Preprocessing:
        """Size and normalisation of what comes out."""
        return self.augmentation.preprocessing

    @property
    def value_range(self) -> ValueRange | None:
        """That of the network's training pictures, else that of these."""
        return self.preprocessing.value_range or self.index.value_range

    def chosen(self, numbers: np.ndarray) -> "Dataset":
        """The samples of these numbers (int64 [M], from 0) alone, which count from 0 anew."""
        return replace(self, positions=self.positions[numbers])

    def sample(self, number: int) -> Sample:
        """The sample that a batch calls `number`."""
        return self.index.samples[self.positions[number]]

    def pixels(self, numbers: Sequence[int] | np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray, list[Problem]]:
        """uint8 [B, height, width, 3], which of the `numbers` they are, and the files that could not be read.

        The index has opened each file, so one that fails here has changed or gone since: it is left out by name.
        The number i + k N, for N samples, is a repeat of sample i with an augmentation of its own.
        """
        repeats = np.asarray(numbers, dtype=np.int64)
        numbers = repeats % max(1, len(self))
        if self.cache is not None and not self.augmentation.is_random:
            return self.cache.gather(self.positions[numbers]), numbers, []
        height, width = self.preprocessing.height, self.preprocessing.width
        pixels = np.empty((len(numbers), height, width, 3), dtype=np.uint8)
        kept: list[int] = []
        problems: list[Problem] = []
        for number, repeat in zip(numbers.tolist(), repeats.tolist(), strict=True):
            try:
                resized = self._resized(number)
            except UnreadablePicture as error:
                problems.append(Problem(self.sample(number).file, error.reason))
                continue
            pixels[len(kept)] = self.augmentation.apply(resized, seed=self.seed, epoch=epoch, index=repeat)
            kept.append(number)
        return pixels[: len(kept)], np.array(kept, dtype=np.int64), problems

    def _resized(self, number: int) -> np.ndarray:
        if self.cache is not None:
            return self.cache.picture(int(self.positions[number]))
        return self.augmentation.first.apply(open_picture(self.index.path(self.sample(number)), self.value_range))


def evaluation_dataset(
    index: DataIndex, positions: np.ndarray, preprocessing: Preprocessing, cache: DecodedCache | None = None
) -> Dataset:
    """The samples at `positions` of the index (int64 [N]) as the network is meant to see them, without chance."""
    return Dataset(index, positions, augmentation("none", preprocessing), cache=cache)
