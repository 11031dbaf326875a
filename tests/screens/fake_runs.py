"""Run folders as a worker would leave them, made in milliseconds and without torch."""

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from vitbench.recipe import load_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import this_process
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
        of: str = "",
    ) -> None:
        """With `of`, the id of a run that is there already, that one is played."""
        recipe = load_recipe(preset, ["data.path=/data/pets", f"train.epochs={epochs}"])
        self.run: Run = Store(store).find(of) if of else Store(store).create(recipe, name, preset=preset)
        self.total, self.per_epoch = epochs * steps_per_epoch, steps_per_epoch
        self.step = 0
        self.random = np.random.default_rng(seed)
        self.speed = 1 + seed % 4
        self.log = RunLog(self.run.log)
        self.began = time.time()
        self.events = EventWriter(self.run.folder, 0)
        self.latest: dict[str, float] = {}
        self.best: Best | None = None
        self.lock: RunLock | None = None

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

    def ground(self, steps: Iterable[int]) -> "FakeRun":
        """Writes how well words find what they mean, as a captioner's evaluations do: nouns first, numbers last."""
        for step in steps:
            for speed, role in enumerate(("NUMBER", "COLOUR", "NOUN"), 1):
                auc = 1 - 0.5 * math.exp(-speed * 4 * step / self.total)
                self._write(step, {f"validation/grounding_auc/{role}": auc})
        self.events.flush()
        return self

    def _write(self, step: int, scalars: dict[str, float]) -> None:
        self.latest |= scalars
        self.events.scalars(step, scalars)

    def evaluate(self, pictures: Path, classes: int = 12, *, split: str = "test") -> "FakeRun":
        """Writes an evaluation with mistakes on pictures that exist."""
        names = [f"kind {chr(97 + number)}" for number in range(classes)]
        labels = self.random.integers(classes, size=40 * classes)
        wrong = self.random.random(labels.size) < 0.12
        taken = np.where(wrong, (labels + self.random.integers(1, 4, labels.size)) % classes, labels)
        confusion = np.zeros((classes, classes), int)
        np.add.at(confusion, (labels, taken), 1)
        pictures.mkdir(exist_ok=True)
        worst = []
        for number in np.flatnonzero(wrong)[:8].tolist():
            file = pictures / f"{names[labels[number]]}_{number}.png"
            rows, columns = np.mgrid[0:48, 0:64]
            pixels = np.stack([rows * 5, columns * 4, (rows * columns + number) % 256], axis=2).astype(np.uint8)
            Image.fromarray(pixels).save(file)
            worst.append(
                {
                    "file": str(file),
                    "label": names[labels[number]],
                    "predicted": names[taken[number]],
                    "probability": 0.9,
                    "loss": 5.0 - number / 1000,
                }
            )
        document = {
            "split": split,
            "step": self.step,
            "root": str(pictures),
            "classes": names,
            "worst": worst,
            "confusion": confusion.tolist(),
            "accuracy": float(np.trace(confusion) / labels.size),
            "correct": int(np.trace(confusion)),
            "pictures": int(labels.size),
        }
        (self.run.folder / "evaluations" / f"{split}-{self.step}.json").write_text(json.dumps(document))
        return self

    def status(self, state: str, **more: object) -> "FakeRun":
        """Writes the status; a run whose process is this one is held by it."""
        old = self.run.status()
        live = state == "running"
        if self.lock is None and live and more.get("process") == this_process():
            self.lock = RunLock(self.run.folder)
            assert self.lock.acquire()
        write_status(
            self.run.folder,
            Status(
                state=state,
                host="elsewhere" if state == "queued" else "",  # so that no scheduler is started for it here
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
        if self.lock is not None and not (live and more.get("process") == this_process()):
            self.lock.release()  # once the status is written: a look between would find a run that has crashed
            self.lock = None
        return self
