"""What the world sees of a run in motion: scalars, status, log, checkpoints; and what the world asks of it."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from vitbench.data.problems import sentence_of
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.host import HostMonitor
from vitbench.runs.log import RunLog, last_lines
from vitbench.training.checkpoint import WEIGHTS_NAME, Checkpoints
from vitbench.training.control import Control, Request
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.history import history_words
from vitbench.training.metrics import StepMetrics
from vitbench.training.outcome import Interrupted
from vitbench.training.state import Training

_LONGEST_SILENCE = 1.0
"""Seconds between two reads of the metrics, where `log_every` steps take longer."""
_ETA_WINDOW = 60.0
_LINES_AFTER_AN_EVALUATION = 30
"""What a worker may log between an evaluation and the same one after a resume, with a wide margin."""


class Monitor:
    """Belongs to one worker. Nothing here waits for the device between two reads of the metrics."""

    def __init__(
        self,
        *,
        events: EventWriter,
        log: RunLog,
        heartbeat: Heartbeat,
        checkpoints: Checkpoints,
        control: Control,
        evaluations: Path,
        log_every: int,
        gpu_uuids: list[str],
        fp16: bool = False,
    ) -> None:
        self.events, self.log, self.heartbeat = events, log, heartbeat
        self.checkpoints, self.control = checkpoints, control
        self.evaluations: Path | None = evaluations
        self.log_every = log_every
        self.metrics = StepMetrics(gradients_may_overflow=fp16)
        self.host = HostMonitor(gpu_uuids)
        self._latest: dict[str, float] = {}
        self._marks: deque[tuple[float, int]] = deque()
        self._host_measured = 0.0
        self._start_clock()

    def _start_clock(self) -> None:
        """Rates count from here: evaluations and checkpoints are no part of them."""
        self._clock, self._waited, self._pictures = time.perf_counter(), 0.0, 0

    def timed(self, batches: Iterator[object]) -> Iterator[object]:
        """The same batches; the time spent waiting for them is counted."""
        while True:
            began = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._waited += time.perf_counter() - began
            yield batch

    def record(self, training: Training, loss: Tensor, gradient_norm: Tensor, extras: Mapping[str, Tensor]) -> None:
        """Keeps the figures of the step just finished; reads and writes them when it is time. May raise Diverged."""
        self.metrics.add(training.step, loss, gradient_norm, extras, training.learning_rate)
        self._pictures += training.pictures_seen
        if len(self.metrics) >= self.log_every or time.perf_counter() - self._clock >= _LONGEST_SILENCE:
            self.flush(training)

    def flush(self, training: Training) -> None:
        """Reads the figures of all steps since the last time, checks them, writes them. Raises Diverged."""
        rows = self.metrics.read()
        if not rows:
            return
        elapsed = max(time.perf_counter() - self._clock, 1e-9)
        rate = self._pictures / elapsed
        rows[-1][1].update(
            {"train/pictures_per_second": rate, "train/data_wait_share": min(1.0, self._waited / elapsed)}
        )
        rows[-1][1].update(_milliseconds(training.clock.read(), len(rows)))
        rows[-1][1].update(self._host_scalars())
        for step, scalars in rows:
            self.events.scalars(step, scalars)
            self._latest.update(scalars)
            self.metrics.check(step, scalars)
        self.events.flush()
        self._log_left_out(training)
        on_features = training.step <= training.recipe.train.head_epochs * training.steps_per_epoch
        self._tell(training, pictures_per_second=rate, rate_of="cached features" if on_features else "pictures")
        self._start_clock()

    def _host_scalars(self) -> dict[str, float]:
        now = time.monotonic()
        if now - self._host_measured < _LONGEST_SILENCE:
            return {}
        self._host_measured = now
        return self.host.scalars()

    def begins(self, training: Training) -> None:
        """Tells where the training stands before its first step: a run that was killed at its end has none left."""
        self._latest = dict(self.heartbeat.progress.latest)
        self.heartbeat.update(
            step=training.step,
            total_steps=training.total_steps,
            epoch=training.step / training.steps_per_epoch,
            best=training.best,
        )

    def _tell(self, training: Training, **changes: object) -> None:
        self.heartbeat.update(
            step=training.step,
            total_steps=training.total_steps,
            epoch=training.step / training.steps_per_epoch,
            eta_seconds=self._eta(training),
            latest=dict(self._latest),
            best=training.best,
            left_out=len(training.task.left_out),
            doing=None,
            **changes,
        )

    def _eta(self, training: Training) -> float | None:
        """Seconds left, at the pace of the last minute, evaluations and checkpoints included.

        Not known while only the head is trained: what comes then is many times slower.
        """
        if training.step < training.recipe.train.head_epochs * training.steps_per_epoch < training.total_steps:
            return None
        now = time.monotonic()
        self._marks.append((now, training.step))
        while len(self._marks) > 2 and now - self._marks[1][0] > _ETA_WINDOW:
            self._marks.popleft()
        (then, first), done = self._marks[0], training.step - self._marks[0][1]
        return (now - then) / done * (training.total_steps - training.step) if done and first < training.step else None

    def request(self) -> Request | None:
        """What was asked since the last step; a pause or a stop is taken away when the run has left."""
        request = self.control.asked()
        if request == "checkpoint":
            self.control.run.acknowledged("checkpoint")
        return request

    def progress(self, done: int, total: int, what: str) -> None:
        """For long work between steps: tells of it; raises Interrupted when a person asks to leave."""
        self.heartbeat.doing(what, done, total)
        self.control.raise_if_asked_to_leave()

    @contextmanager
    def saved_when_interrupted(self, training: Training) -> Iterator[None]:
        """Saves the state as it is when the work inside is left by request; the work is done again after a resume."""
        began = time.perf_counter()
        try:
            yield
            self.events.scalars(training.step, {"time/evaluation_seconds": time.perf_counter() - began})
        except Interrupted:
            self.save(training)
            raise

    def evaluated(self, training: Training, scalars: Mapping[str, float], split: str = "validation") -> None:
        """Writes the scalars of an evaluation."""
        tagged = {f"{split}/{name}": value for name, value in scalars.items()}
        self.events.scalars(training.step, tagged)
        self.events.flush()
        self._latest.pop(f"{split}/left_out", None)
        self._latest.update({tag: value for tag, value in tagged.items() if tag.count("/") == 1})
        self._log_left_out(training)
        self._tell(training)
        words = ", ".join(f"{name} {value:.4g}" for name, value in scalars.items() if "/" not in name)
        self._log_once(training.step, f"{split}: {words}")
        self._start_clock()

    def _log_left_out(self, training: Training) -> None:
        """Names the pictures that turned out unreadable since the last time."""
        if news := training.task.left_out.news():
            self.warn(training, sentence_of(news))

    def _log_once(self, step: int, text: str) -> None:
        """A worker that is killed before its checkpoint evaluates again after the resume, and has logged it already."""
        lines = last_lines(self.log.file, _LINES_AFTER_AN_EVALUATION, within=2**16)
        if not any(line.step == step and line.text == text for line in lines):
            self.log.write(step, "info", text)

    def save(self, training: Training, *, keep: bool = False) -> None:
        """Commits a checkpoint, after the scalars that lead to it are on the disk."""
        self.flush(training)
        began = time.perf_counter()
        self.events.sync()
        first = self.checkpoints.last is None
        self.checkpoints.save(training, keep=keep)
        training.clock.start()  # a checkpoint is no part of a step
        self.events.scalars(training.step, {"time/checkpoint_seconds": time.perf_counter() - began})
        self._tell(training)
        earlier = sorted(self.checkpoints.index.history - {training.step})
        named = ", ".join(f"{step:,}" for step in earlier)
        words = f"; weights kept of step{'s' * (len(earlier) > 1)} {named}" if earlier else ""
        self.log.write(training.step, "debug", f"Saved the checkpoint of step {training.step:,}{words}.")
        if first:
            weights = (self.checkpoints.path(training.step) / WEIGHTS_NAME).stat().st_size
            self.log.write(training.step, "info", history_words(training.recipe.train, weights))
        self._start_clock()

    def close(self) -> None:
        """Ends the event file."""
        self.events.close()

    def warn(self, training: Training, text: str) -> None:
        """A line in the log that a person should see."""
        self.log.write(training.step, "warning", text)


def _milliseconds(seconds: Mapping[str, float], steps: int) -> dict[str, float]:
    """What each part of a step took, as scalars; of a whole step, in ms."""
    return {f"time/{part}_ms": 1000 * value / steps for part, value in seconds.items()}
