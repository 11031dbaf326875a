"""Batches of an epoch: their order is f(seed, epoch), they can start anywhere, and no worker outlives its parent."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader

from vitbench.data.dataset import Dataset
from vitbench.data.problems import Problem
from vitbench.data.randomness import ORDER, generator
from vitbench.errors import UserError
from vitbench.runs.children import die_with_parent


@dataclass(frozen=True)
class Batch:
    """`pixels` is normalised float32 [B, 3, height, width], or uint8 [B, height, width, 3] where that was asked for.

    `labels` and `indices` (numbers of samples in the dataset) are int64 [B]. `left_out` names the files that could
    not be read any more; the batch is smaller by them.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    left_out: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def pin_memory(self) -> "Batch":
        """A copy in pinned memory, from which a GPU reads while the CPU goes on."""
        return Batch(self.pixels.pin_memory(), self.labels.pin_memory(), self.indices.pin_memory(), self.left_out)


@dataclass(frozen=True)
class _Request:
    """One batch, as the processes that make batches are told of it."""

    epoch: int
    numbers: np.ndarray


class Loader:
    """Makes the batches of one epoch after another; worker processes stay from epoch to epoch.

    With `normalize=False` the pixels stay uint8, a quarter of the bytes, to be normalised on the GPU.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        batch_size: int,
        workers: int = 0,
        shuffle: bool = True,
        drop_last: bool = False,
        pin_memory: bool = False,
        normalize: bool = True,
    ) -> None:
        self.dataset = dataset
        self.seed, self.batch_size = seed, batch_size
        self.shuffle, self.drop_last, self.pin_memory, self.normalize = shuffle, drop_last, pin_memory, normalize
        self._requests: list[_Request] = []
        self._workers: DataLoader[Batch] | None = None
        if workers:
            self._workers = DataLoader(
                _BatchMaker(dataset),
                batch_size=None,
                sampler=self._requests,
                num_workers=workers,
                persistent_workers=True,
                pin_memory=pin_memory and not normalize,
                worker_init_fn=partial(_start_worker, os.getpid()),
                # Its own, since an iterator draws from the global generator otherwise.
                generator=torch.Generator(),
                multiprocessing_context="fork",
            )

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def order(self, epoch: int) -> np.ndarray:
        """The numbers of the samples in the order of an epoch, int64 [N]: f(seed, epoch)."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return generator(ORDER, self.seed, epoch).permutation(len(self.dataset))

    def batches(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from `first_batch` on: the same ones that come there in the whole epoch.

        Raises UserError if not one picture of a batch can be read: then not a file is bad but the disk is gone.
        """
        order = self.order(epoch)
        starts = range(first_batch * self.batch_size, len(self) * self.batch_size, self.batch_size)
        self._requests[:] = [_Request(epoch, order[start : start + self.batch_size]) for start in starts]
        if self._workers is None:
            make = _BatchMaker(self.dataset)
            made: Iterator[Batch] = (make[request] for request in tuple(self._requests))
        else:
            made = iter(self._workers)
        for batch in made:
            if not len(batch):
                first = batch.left_out[0]
                raise UserError(
                    f"None of {len(batch.left_out)} pictures in {self.dataset.index.root} can be read any more "
                    f"({first.file}: {first.reason}); is the disk still there?"
                )
            if self.normalize:
                pixels = self.dataset.preprocessing.normalize(batch.pixels)
                batch = Batch(pixels, batch.labels, batch.indices, batch.left_out)
            yield batch.pin_memory() if self.pin_memory and not batch.pixels.is_pinned() else batch

    def close(self) -> None:
        """Ends the worker processes. They also end with the loader, and with this process however it ends."""
        self._workers = None


def batches(
    dataset: Dataset,
    *,
    epoch: int,
    seed: int,
    batch_size: int,
    first_batch: int = 0,
    workers: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """The batches of one epoch, as `Loader.batches`; for several epochs with workers keep a `Loader`."""
    loader = Loader(
        dataset,
        seed=seed,
        batch_size=batch_size,
        workers=workers,
        shuffle=shuffle,
        drop_last=drop_last,
        pin_memory=pin_memory,
    )
    return loader.batches(epoch, first_batch)


class _BatchMaker(torch.utils.data.Dataset[Batch]):
    """Makes uint8 batches; this is what runs in a worker process."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: _Request) -> Batch:
        pixels, numbers, left_out = self.dataset.pixels(request.numbers, request.epoch)
        labels = torch.from_numpy(self.dataset.labels[numbers])
        return Batch(torch.from_numpy(pixels), labels, torch.from_numpy(numbers), tuple(left_out))


def _start_worker(parent: int, number: int) -> None:
    """The loader must not live on when the trainer is killed, which may have happened before this line."""
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
