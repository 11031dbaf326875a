"""The training of `make demo`, from its launch to its end."""

import time

from gpu.bench import Bench
from gpu.workers import ended, start
from vitbench.recipe import load_recipe
from vitbench.runs.store import Store

SHORT = ["data.path=scenes:new?count=148&size=96", "train.epochs=2", "train.head_epochs=1"]


def run(bench: Bench) -> None:
    recipe = load_recipe("demo", [f"train.device={bench.device_name}", *(SHORT if bench.small else [])])
    one = Store(bench.store).create(recipe, "demo")
    began = time.monotonic()
    start(bench, one)
    ended(one, 110)
    bench.note("from the launch to the end", time.monotonic() - began, "s")
    latest = one.status().latest
    bench.note("validation accuracy", 100 * latest["validation/accuracy"], "%")
    if not bench.small:
        accuracy = latest["test/accuracy"]
        bench.goal("the demo learns the new kinds", accuracy > 0.9, f"{accuracy:.1%} of new pictures")
