"""A run whose worker is the test itself: it writes what a worker writes, when the test says so."""

import time
from pathlib import Path

from vitbench.recipe import load_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import this_process
from vitbench.runs.status import Status, write_status
from vitbench.runs.store import Run, Store


class ScriptedRun:
    """Starts as running; this process counts as its worker, so that it is alive as long as the test."""

    def __init__(self, store: Path, name: str, *, total: int = 1000, **status: object) -> None:
        """`status` adds to what the status says."""
        self.run: Run = Store(store).create(load_recipe("scratch", ["data.path=/data/pets"]), name)
        self.events = EventWriter(self.run.folder)
        self.log = RunLog(self.run.log)
        self.step = 0
        self.lock = RunLock(self.run.folder)
        assert self.lock.acquire()
        self._status = self.run.status().model_copy(
            update={
                "state": "running",
                "process": this_process(),
                "started_at": time.time(),
                "total_steps": total,
                **status,
            }
        )
        self.say()

    @property
    def event_file(self) -> Path:
        return next(self.run.folder.glob("events.out.tfevents.*"))

    def say(self, **changes: object) -> Status:
        """Writes the status with some changes."""
        self._status = self._status.model_copy(update={"heartbeat": time.time(), "step": self.step} | changes)
        write_status(self.run.folder, self._status)
        if self._status.state != "running":
            self.lock.release()
        return self._status

    def train(self, *losses: float) -> None:
        """One step for each loss, in events and status."""
        for loss in losses:
            self.step += 1
            self.events.scalars(self.step, {"train/loss": loss})
        self.events.flush()
        self.say(latest={"train/loss": losses[-1]})
