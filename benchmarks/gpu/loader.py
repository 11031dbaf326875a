"""Batches alone, as a GPU gets them: how many processes it takes to feed it."""

import os
import time

from gpu.bench import Bench
from gpu.pictures import jpegs
from gpu.recipes import recipe
from vitbench.data.loader import Loader
from vitbench.training.open_classification import open_classification


def run(bench: Bench) -> None:
    import torch

    chosen = recipe(bench, jpegs(bench))
    folder = bench.store / "loader"
    folder.mkdir(exist_ok=True)
    task, _ = open_classification(chosen, folder, bench.store, torch.device("cpu"), lambda *_: None)
    size = chosen.train.batch_size
    bench.note("processors", os.cpu_count() or 0)
    for processes in (0, 1) if bench.small else (0, 1, 2, 4, 8, 16):
        loader = Loader(task.train, seed=0, batch_size=size, processes=processes, normalize=False, epochs=1000)
        seconds, most = (0.3, 0.5) if bench.small else (3.0, 4.0)
        bench.note(f"{processes} loader processes", _rate(loader, seconds, most), "pictures/s")
        loader.close()


def _rate(loader: Loader, seconds: float, most: float) -> float:
    """Pictures a second over `seconds`, after as many batches as the processes hold ready."""
    epoch, pictures, warm, began = 0, 0, 8, time.perf_counter()
    start = 0.0
    while True:
        for batch in loader.batches(epoch):
            now = time.perf_counter()
            warm -= 1
            if not start and (warm < 0 or now - began > most):
                start = now
            elif start:
                pictures += len(batch)
                if now - start > seconds:
                    return pictures / (now - start)
        epoch += 1
