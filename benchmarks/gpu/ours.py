"""The real loop with everything around it, measured between two waits for the device."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gpu.bench import Bench
from gpu.clock import synchronize
from vitbench.recipe import Recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.log import RunLog
from vitbench.runs.store import Run, Store
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.control import Control
from vitbench.training.device import gpu_uuids
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.loop import train
from vitbench.training.monitor import Monitor
from vitbench.training.open_classification import open_classification
from vitbench.training.state import Training


@dataclass(frozen=True)
class Measured:
    """`pictures` a second, and the share of the time in which the loop waited for a batch."""

    pictures: float
    data_wait: float


class OurLoop:
    """A training of a recipe, opened once and gone on with at each measurement. Nothing is evaluated or saved."""

    def __init__(self, bench: Bench, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.run: Run = Store(bench.store).create(recipe)
        self.task, _ = open_classification(recipe, self.run.folder, bench.store, device, lambda *_: None)
        self.training = Training(self.task, recipe, device)
        self.heartbeat = Heartbeat(self.run.folder, self.run.status())
        self.heartbeat.start()

    def measure(self, *, warm: int, steps: int, around: Callable[[], Any] | None = None) -> Measured:
        """The rate of `steps` steps after `warm` others.

        `around` is called when the clock starts, and what it returns is closed when it stops.
        """
        monitor = self._monitor()
        record, waited, began, ended, count = monitor.record, 0.0, 0.0, 0.0, 0
        pictures = 0
        context: Any = None

        def timed(batches: Iterator[Any]) -> Iterator[Any]:
            nonlocal waited
            while True:
                start = time.perf_counter()
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                waited += time.perf_counter() - start
                yield batch

        def recorded(*figures: Any) -> None:
            nonlocal began, ended, waited, count, pictures, context
            record(*figures)
            count += 1
            if count == warm:
                synchronize(self.device)
                context = around() if around else None
                began, waited = time.perf_counter(), 0.0
            elif count > warm:
                pictures += self.training.pictures_seen
            if count == warm + steps:
                synchronize(self.device)
                ended = time.perf_counter()
                if context is not None:
                    context.close()
                self.run.request("stop")
                monitor.control.interval = 0.0

        monitor.timed, monitor.record, monitor.save = timed, recorded, lambda *_, **__: None
        train(self.training, monitor)
        self.run.acknowledged()
        monitor.events.close()
        return Measured(pictures / (ended - began), waited / (ended - began))

    def close(self) -> None:
        self.heartbeat.stop(state="stopped", process=None)

    def _monitor(self) -> Monitor:
        return Monitor(
            events=EventWriter(self.run.folder, first_step=self.training.step + 1),
            log=RunLog(self.run.log),
            heartbeat=self.heartbeat,
            checkpoints=Checkpoints(self.run.folder / "checkpoints"),
            control=Control(self.run),
            evaluations=self.run.folder / "evaluations",
            log_every=self.recipe.train.log_every,
            gpu_uuids=gpu_uuids(self.device),
        )
