"""Batches of an epoch: their order is f(seed, epoch), they can start anywhere, and no process outlives its parent."""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize

import numpy as np
import torch
from torch.utils.data import DataLoader

from vitbench.data.batch_plan import BatchPlan, BatchRequest
from vitbench.data.dataset import Dataset
from vitbench.data.problems import LeftOut, Problem
from vitbench.errors import UserError
from vitbench.runs.children import die_with_parent

_AT_ONCE, _IN_A_ROW = 4, 16
"""So many pictures of one batch, or of several, that cannot be read and none between that can, are no accident."""


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

    def to(self, device: torch.device) -> "Batch":
        """A copy on a device; from pinned memory to a GPU it is only begun here."""
        pixels, labels, indices = (
            values.to(device, non_blocking=True) for values in (self.pixels, self.labels, self.indices)
        )
        return Batch(pixels, labels, indices, self.left_out)


class Loader:
    """Makes the batches of one epoch after another; loader processes stay from epoch to epoch.

    They work ahead over the end of an epoch, up to the end of `epochs`: the next epoch finds its first batches made.
    With `normalize=False` the pixels stay uint8, a quarter of the bytes, to be normalised on the GPU.
    `balanced`, `at_least` and `share` are those of `BatchPlan`; a repeat of a balanced epoch is augmented by itself.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int,
        batch_size: int,
        processes: int = 0,
        shuffle: bool = True,
        balanced: bool = False,
        drop_last: bool = False,
        pin_memory: bool = False,
        normalize: bool = True,
        epochs: int = 1,
        at_least: int = 1,
        left_out: LeftOut | None = None,
        share: Callable[[np.ndarray], np.ndarray] = lambda numbers: numbers,
    ) -> None:
        # The processes hold the plan, not the loader: a loader that nobody holds any more ends them at once, while one
        # in a cycle ended when garbage is collected, which takes torch five seconds for each of them.
        self.plan = BatchPlan(dataset.labels, seed, batch_size, shuffle, balanced, drop_last, epochs, at_least, share)
        self.dataset = dataset
        self.left_out = left_out if left_out is not None else LeftOut()
        self.pin_memory, self.normalize = pin_memory, normalize
        self._processes: DataLoader[Batch] | None = None
        self._stream: Iterator[Batch] | None = None
        self._next = (-1, -1)
        """Epoch and batch with which the stream goes on."""
        if processes:
            self._processes = DataLoader(
                _BatchMaker(dataset),
                batch_size=None,
                sampler=self.plan,
                num_workers=processes,
                persistent_workers=True,
                pin_memory=pin_memory and not normalize,
                worker_init_fn=partial(_start_process, os.getpid()),
                # Its own, since an iterator draws from the global generator otherwise.
                generator=torch.Generator(),
                multiprocessing_context="fork",
            )

    def batches(self, epoch: int, first_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from `first_batch` on: the same ones that come there in the whole epoch.

        Pictures that cannot be read any more are noted in `left_out`; a batch of them alone is empty. Raises UserError
        where so many in a row cannot be read that not they are bad but the disk is gone.
        """
        in_a_row = 0
        for batch in self._made(epoch, first_batch):
            self.left_out.note(batch.left_out)
            in_a_row = 0 if len(batch) else in_a_row + len(batch.left_out)
            check_disk(batch.left_out, in_a_row, len(self.dataset), str(self.dataset.index.root))
            if self.normalize:
                pixels = self.dataset.preprocessing.normalize(batch.pixels)
                batch = Batch(pixels, batch.labels, batch.indices, batch.left_out)
            yield batch.pin_memory() if self.pin_memory and not batch.pixels.is_pinned() else batch

    def close(self) -> None:
        """Ends the loader processes. They also end with the loader, and with this process however it ends."""
        self._processes = self._stream = None

    def _made(self, epoch: int, first_batch: int) -> Iterator[Batch]:
        if self._processes is None:
            make = _BatchMaker(self.dataset)
            yield from (make[request] for request in self.plan.requests(epoch, first_batch))
            return
        for number in range(first_batch, len(self.plan)):
            yield self._next_of_processes((epoch, number))

    def _next_of_processes(self, place: tuple[int, int]) -> Batch:
        """The batch at `place`: where the stream is already, or where it begins anew."""
        assert self._processes is not None
        if self._stream is None or self._next != place:
            self.plan.place = place
            before = set(multiprocessing.active_children())
            self._stream = iter(self._processes)
            # Now, and not before: it has to run before what torch has just registered, which waits for processes that
            # ignore SIGTERM. The processes themselves, since one may outlive a loader that nobody closed.
            if begun := set(multiprocessing.active_children()) - before:
                atexit.register(_kill, begun)
                # A process of multiprocessing leaves without `atexit`, and waits for its children after these.
                Finalize(None, _kill, args=(begun,), exitpriority=0)
        stream, self._stream = self._stream, None  # after an error it begins anew
        batch = next(stream)
        epoch, number = place
        if number + 1 < len(self.plan):
            self._stream, self._next = stream, (epoch, number + 1)
        elif epoch + 1 < self.plan.epochs:
            self._stream, self._next = stream, (epoch + 1, 0)
        return batch


def in_order(
    dataset: Dataset, batch_size: int, device: torch.device, left_out: LeftOut | None = None
) -> Iterator[Batch]:
    """The uint8 batches of a dataset in its own order, as `device` takes them fastest; none is empty.

    Pictures that cannot be read any more are noted in `left_out`.
    """
    pin = device.type == "cuda"
    loader = Loader(
        dataset, seed=0, batch_size=batch_size, shuffle=False, pin_memory=pin, normalize=False, left_out=left_out
    )
    return (batch for batch in loader.batches(0) if len(batch))


def check_disk(left_out: Sequence[Problem], in_a_row: int, pictures: int, where: str) -> None:
    """Raises UserError if a whole batch, or `in_a_row` of all `pictures`, tell that the disk is gone."""
    if in_a_row >= min(_IN_A_ROW, pictures) or (in_a_row and len(left_out) >= _AT_ONCE):
        first = left_out[0]
        raise UserError(
            f"None of {in_a_row} pictures in {where} can be read any more ({first.file}: {first.reason}); "
            "is the disk still there?"
        )


class _BatchMaker(torch.utils.data.Dataset[Batch]):
    """Makes uint8 batches; this is what runs in a loader process."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: BatchRequest) -> Batch:
        pixels, numbers, left_out = self.dataset.pixels(request.numbers, request.epoch)
        labels = torch.from_numpy(self.dataset.labels[numbers])
        return Batch(torch.from_numpy(pixels), labels, torch.from_numpy(numbers), tuple(left_out))


def _kill(processes: Iterable[BaseProcess]) -> None:
    """Ends processes that may ignore SIGTERM; those that have ended are passed over. For the end of this process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's own handler calls a killed loader process an error
    for process in processes:
        process.kill()


def _start_process(parent: int, number: int) -> None:
    """The loader must not live on when the trainer is killed, which may have happened before this line.

    Signals are the trainer's: SLURM sends them to all processes of a job, and a trainer whose loader is gone could not
    finish its step and save.
    """
    for signalled in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(signalled, signal.SIG_IGN)
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
