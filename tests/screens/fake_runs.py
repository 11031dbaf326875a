"""Run folders as a worker would leave them, made in milliseconds and without torch."""

import math
import time
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from vitbench.recipe import load_recipe
from vitbench.runs.log import RunLog
from vitbench.runs.status import Best, Status, write_status
from vitbench.runs.store import Run, Store


class FakeRun:
    """A run that goes on when it is told to."""

    def __init__(
        self,
        store: Path,
        name: str,
        *,
        epochs: int = 10,
        steps_per_epoch: int = 100,
        seed: int = 0,
        preset: str = "scratch",
    ) -> None:
        recipe = load_recipe(preset, ["data.path=/data/pets", f"train.epochs={epochs}"])
        self.run: Run = Store(store).create(recipe, name, preset=preset)
        self.total, self.per_epoch = epochs * steps_per_epoch, steps_per_epoch
        self.step = 0
        self.random = np.random.default_rng(seed)
        self.speed = 1 + seed % 4
        self.log = RunLog(self.run.log)
        self.began = time.time()
        self.events = RecordWriter((self.run.folder / f"events.out.tfevents.{int(self.began)}.fake").open("ab"))
        self._event(Event(wall_time=self.began, file_version="brain.Event:2"))
        self.latest: dict[str, float] = {}
        self.best: Best | None = None

    @property
    def id(self) -> str:
        return self.run.id

    def train(self, steps: int, *, every: int = 10, nan_from: int | None = None) -> "FakeRun":
        """Writes scalars and log lines for some steps."""
        for step in range(self.step + 1, self.step + steps + 1):
            if step % every == 0:
                self._scalars(step, nan_from is not None and step >= nan_from)
            if step % self.per_epoch == 0:
                self._evaluate(step)
        self.step += steps
        self.events.flush()
        return self

    def _scalars(self, step: int, broken: bool) -> None:
        clean = 3.6 * math.exp(-self.speed * 2.2 * step / self.total) + 0.05
        loss = math.nan if broken else clean * (1 + 0.12 * self.random.standard_normal())
        self._write(
            step,
            {
                "train/loss": loss,
                "train/learning_rate": 3e-4 * 0.5 * (1 + math.cos(math.pi * step / self.total)),
                "train/gradient_norm": 1.5 + 0.4 * self.random.standard_normal(),
                "train/pictures_per_second": 412 + 9 * self.random.standard_normal(),
                "train/data_wait_share": 0.04,
                "system/gpu_utilization": 93 + 3 * self.random.standard_normal(),
                "system/gpu_memory_gib": 21.4,
                "system/cpu_percent": 140 + 20 * self.random.standard_normal(),
                "system/memory_gib": 9.2,
            },
        )

    def _evaluate(self, step: int) -> None:
        share = step / self.total
        accuracy = 1 - math.exp(-self.speed * 1.4 * share) + 0.004 * self.random.standard_normal()
        loss = 3.4 * math.exp(-self.speed * 2.0 * share) + 0.12
        self._write(
            step,
            {
                "validation/loss": loss,
                "validation/accuracy": accuracy,
                "validation/accuracy_top5": min(1.0, accuracy + 0.03),
            },
        )
        self.log.write(
            step, "info", f"epoch {step // self.per_epoch}: validation loss {loss:.4f}, accuracy {accuracy:.1%}"
        )
        if self.best is None or accuracy > self.best.value:
            self.best = Best(metric="accuracy", value=accuracy, step=step)

    def _write(self, step: int, scalars: dict[str, float]) -> None:
        self.latest |= scalars
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._event(Event(wall_time=self.began + step * 0.4, step=step, summary=Summary(value=values)))

    def _event(self, event: Event) -> None:
        self.events.write(event.SerializeToString())

    def status(self, state: str, **more: object) -> "FakeRun":
        """Writes the status."""
        old = self.run.status()
        live = state == "running"
        write_status(
            self.run.folder,
            Status(
                state=state,
                created_at=old.created_at,
                started_at=self.began,
                heartbeat=time.time(),
                ended_at=None if live or state == "queued" else time.time(),
                name=old.name,
                model=old.model,
                data=old.data,
                preset=old.preset,
                step=self.step,
                total_steps=self.total,
                epoch=self.step / self.per_epoch,
                epochs=self.total // self.per_epoch,
                eta_seconds=(self.total - self.step) * 0.4 if live else None,
                pictures_per_second=412.0 if live else None,
                device="cpu",
                latest=self.latest,
                best=self.best,
            ).model_copy(update=more),
        )
        return self
