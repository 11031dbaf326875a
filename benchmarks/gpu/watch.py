"""What a training loses while somebody watches it: the app's own look at the store, twice a second."""

import multiprocessing
import time
from pathlib import Path

from gpu.bench import Bench
from gpu.ours import OurLoop
from gpu.recipes import little
from vitbench.runs.store import Store


def run(bench: Bench) -> None:
    device = bench.device()
    train = {"epochs": 10_000, "deterministic": False, "evaluate_every": 9_999}
    loop = OurLoop(bench, little(bench, train=train), device)
    # Started before it is measured; it looks while the flag is up.
    context = multiprocessing.get_context("spawn")
    looking = context.Event()
    watcher = context.Process(target=_watch, args=(bench.store, loop.run.id, looking), daemon=True)
    watcher.start()
    warm, steps = (1, 4) if bench.small else (10, 60)
    loop.measure(warm=warm, steps=2)
    alone, watched = [], []
    for _ in range(1 if bench.small else 4):
        looking.clear()
        alone.append(loop.measure(warm=warm, steps=steps).pictures)
        looking.set()
        watched.append(loop.measure(warm=warm, steps=steps).pictures)
    watcher.terminate()
    watcher.join()
    loop.close()
    bench.note("alone", max(alone), "pictures/s")
    bench.note("watched", max(watched), "pictures/s")
    loss = 1 - max(watched) / max(alone)
    bench.note("lost to watching", 100 * loss, "%")
    if bench.has_gpu:
        bench.goal("watching costs less than 2%", loss < 0.02, f"{loss:.1%}")


def _watch(store: Path, run_id: str, looking: "multiprocessing.synchronize.Event") -> None:
    """What the app does with a run that it shows."""
    from screens.watcher import Wanted, Watcher

    watcher = Watcher(Store(store), lambda snapshot: None)
    watcher.want(Wanted(followed=frozenset([run_id])))
    while True:
        looking.wait()
        watcher.poll()
        time.sleep(0.5)
