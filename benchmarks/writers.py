"""Runs that write: a process that plays the workers of some runs, with the project's own writers.

python benchmarks/writers.py STORE [--runs 1] [--rate 1] [--seconds 300] [--history 2000] [--finished 0]

`--rate` is how often a second each run writes scalars and status; 0 writes once and then holds still. It says `ready`
when all runs are there, and goes on for `--seconds`, or until it is ended.
"""

import argparse
import math
import os
import shutil
import time
from pathlib import Path

from vitbench.recipe import load_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import this_process
from vitbench.runs.status import Best, Status, write_status
from vitbench.runs.store import Run, Store

STEPS_A_WRITE = 10
TOTAL = 40_000


class PlayedRun:
    """One run with the scalars of a real one."""

    def __init__(self, store: Store, number: int) -> None:
        recipe = load_recipe("scratch", ["data.path=/data/pets"])
        self.run: Run = store.create(recipe, f"pets-{number}")
        self.events = EventWriter(self.run.folder)
        self.log = RunLog(self.run.log)
        self.lock = RunLock(self.run.folder)
        self.lock.acquire()
        self.step = 0
        self.number = number
        self.began = time.time()

    def write(self) -> None:
        """Some steps more: scalars; now and then an evaluation and a log line."""
        self.step += STEPS_A_WRITE
        self.events.scalars(self.step, self.scalars())
        if self.step % 500 == 0:
            self.events.scalars(self.step, {"validation/loss": self.loss() * 1.1, "validation/accuracy": 0.9})
            self.log.write(self.step, "info", f"epoch {self.step // 500}: validation loss {self.loss():.4f}")

    def loss(self) -> float:
        noise = math.sin(self.step * 12.9898 + self.number) * 43758.5453 % 1 - 0.5
        return 3.6 * math.exp(-4 * self.step / TOTAL) * (1 + 0.2 * noise) + 0.05

    def scalars(self) -> dict[str, float]:
        noise = math.sin(self.step * 78.233 + self.number) * 43758.5453 % 1 - 0.5
        return {
            "train/loss": self.loss(),
            "train/accuracy": 1 - self.loss() / 4,
            "train/learning_rate": 3e-4 * 0.5 * (1 + math.cos(math.pi * self.step / TOTAL)),
            "train/gradient_norm": 1.5 + noise,
            "train/pictures_per_second": 412 + 18 * noise,
            "train/data_wait_share": 0.04,
            "system/cpu_percent": 140 + 40 * noise,
            "system/memory_gib": 9.2,
        }

    def say(self, state: str = "running") -> None:
        """Hands events to the system and writes the status."""
        self.events.flush()
        live = state == "running"
        if not live:
            self.lock.release()
        status = Status(
            state=state,
            process=this_process() if live else None,
            heartbeat=time.time(),
            created_at=self.began,
            started_at=self.began,
            ended_at=None if live else time.time(),
            step=self.step,
            total_steps=TOTAL,
            epoch=self.step / 500,
            epochs=TOTAL // 500,
            eta_seconds=(TOTAL - self.step) * 0.1 if live else None,
            pictures_per_second=412.0 if live else None,
            device="cpu",
            name=f"pets-{self.number}",
            model="timm:vit_small_patch16_224",
            data="/data/pets",
            latest={"train/loss": self.loss(), "validation/accuracy": 0.9},
            best=Best(metric="accuracy", value=0.9, step=500),
        )
        write_status(self.run.folder, status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--history", type=int, default=2000, help="points that each run has from the start")
    parser.add_argument("--finished", type=int, default=0, help="finished runs beside them")
    arguments = parser.parse_args()
    store = Store(Path(arguments.store))
    if arguments.finished:
        fill(store, arguments.finished, arguments.history)
    runs = [PlayedRun(store, number) for number in range(arguments.runs)]
    for run in runs:
        for _ in range(arguments.history):
            run.write()
        run.say()
    print("ready", flush=True)
    began = time.monotonic()
    turn = 0
    while time.monotonic() - began < arguments.seconds:
        if not arguments.rate:
            time.sleep(1)
            continue
        turn += 1
        time.sleep(max(0.0, began + turn / arguments.rate - time.monotonic()))
        for run in runs:
            run.write()
            run.say()


def fill(store: Store, count: int, history: int) -> None:
    """Finished runs, each a copy of the first under another name."""
    first = PlayedRun(store, 1000)
    for _ in range(history):
        first.write()
    first.say("finished")
    for number in range(1, count):
        shutil.copytree(
            first.run.folder, first.run.folder.with_name(f"{first.run.id}-{number:04d}"), copy_function=os.link
        )


if __name__ == "__main__":
    main()
