"""Memory and time as estimated before the launch, against a worker's."""

from gpu.bench import Bench
from gpu.pictures import jpegs
from gpu.recipes import recipe
from gpu.workers import ended, estimated, start
from vitbench.runs.estimates import known_memory
from vitbench.runs.log import read_log
from vitbench.runs.store import Store


def run(bench: Bench) -> None:
    train = {"epochs": 2, "evaluate_every": 1, "compile": False}
    model = {} if bench.small else {"name": "timm:vit_small_patch16_384"}
    chosen = recipe(bench, jpegs(bench), train=train, model=model)
    estimate = estimated(bench, chosen)
    memory = known_memory(bench.store, chosen)
    one = Store(bench.store).create(chosen, "estimated")
    start(bench, one)
    ended(one)
    lines = read_log(one.log)
    # The second epoch: the first begins with what a process does once.
    began, stopped = (line.time for line in lines if line.text.startswith("validation"))
    seconds = stopped - began
    bench.note("an epoch, estimated", estimate["epoch_seconds"], "s")
    bench.note("an epoch, measured", seconds, "s")
    if bench.has_gpu:
        measured = known_memory(bench.store, chosen)  # the worker's word has replaced the estimate
        bench.note("memory, estimated", memory / 2**30, "GiB")
        bench.note("memory, measured", measured / 2**30, "GiB")
        ratio = memory / max(measured, 1)
        bench.goal("memory within a tenth", 0.9 <= ratio <= 1.1, f"{ratio:.2f}")
        ratio = estimate["epoch_seconds"] / seconds
        bench.goal("time within a third", 0.67 <= ratio <= 1.5, f"{ratio:.2f}")
