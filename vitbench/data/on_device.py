"""Batches on the device that computes, copied there while it works on what came before."""

from collections.abc import Iterable, Iterator

import torch

from vitbench.data.loader import Batch


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches, on `device`.

    On a GPU the copies have a stream of their own, from pinned memory: the CPU is ahead of the GPU, so a batch is
    copied during the computation of the one before, and the computation waits for its copy alone.
    """
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    copies = torch.cuda.Stream(device)
    for batch in batches:
        with torch.cuda.stream(copies):
            copied = batch.to(device)
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copies)
        for values in (copied.pixels, copied.labels, copied.indices):
            # Its memory belongs to the stream of the copies, which must not take it again while it is read here.
            values.record_stream(computing)
        yield copied
