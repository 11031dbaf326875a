"""A batch that fits nowhere: halved until it does, with the same pictures in a step."""

from gpu.bench import Bench
from gpu.pictures import jpegs
from gpu.recipes import recipe
from gpu.workers import start, until
from vitbench.runs import control
from vitbench.runs.log import read_log
from vitbench.runs.store import Store

BATCH = 1024
"""At 384 in fp32, a few hundred GB."""


def run(bench: Bench) -> None:
    bench.need_gpu()
    train = {"batch_size": BATCH, "amp": "none", "compile": False, "on_oom": "halve", "log_every": 1}
    chosen = recipe(bench, jpegs(bench), train=train, data={"workers": 4})
    one = Store(bench.store).create(chosen, "too large")
    start(bench, one)
    until(lambda: one.status().step >= 1, one)
    control.stop(one)
    control.wait(one, 60)
    lines = [line.text for line in read_log(one.log) if "Out of memory" in line.text]
    for line in lines:
        bench.note("the log says", line)
    rate = f"{len(lines)} times, {one.status().pictures_per_second or 0:.0f} pictures/s"
    covered = bool(lines) and all(f"a step still covers {BATCH} pictures" in line for line in lines)
    bench.goal("out of memory halves the batch, and a step covers what it did", covered, rate)
    bench.goal("the run goes on and is stopped in order", one.status().state == "stopped", one.status().state)
