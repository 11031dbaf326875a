"""What the screens know: immutable pictures of the store, taken by the watcher and handed over whole."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vitbench.runs.log import LogLine

LIVE_STATES = ("queued", "running", "paused")
BROKEN_STATES = ("failed", "diverged", "crashed")

SPARKLINE_POINTS = 12
"""Points of the loss curve in a row of the table."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunRow:
    """One run as the table shows it. Times are seconds since the epoch; None is not known (yet)."""

    id: str
    name: str = ""
    state: str = "queued"
    task: str = ""
    model: str = ""
    data: str = ""
    preset: str = ""
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    epochs: float = 0.0
    loss: float | None = None
    accuracy: float | None = None
    rate: float | None = None
    rate_of: str = "pictures"
    eta_seconds: float | None = None
    device: str = ""
    gpus: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    queued_at: float | None = None
    waits_for: str = ""
    place: int = 0
    """Its place among the runs that wait for a GPU, from 1; 0 for a run that does not wait."""
    unattended: str = ""
    """Why nobody serves the queue in which it waits, if nobody does."""
    error: str = ""
    doing: str = ""
    """Long work that holds up its steps, and how far it is."""
    best: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    sparkline: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """The name that a person gave, else the id."""
        return self.name or self.id

    @property
    def state_word(self) -> str:
        """The state in one word; of a run that waits for a GPU also its place in the queue."""
        return f"queue {self.place}" if self.place else self.state

    @property
    def waiting(self) -> str:
        """What a queued run waits for, as a sentence; empty for every other run."""
        if self.state != "queued":
            return ""
        if not self.place:
            return "not started yet"
        if self.unattended:
            return self.unattended
        place = "the first" if self.place == 1 else f"number {self.place}"
        return f"waits for a GPU, {place} in the queue" + (f": {self.waits_for}" if self.waits_for else "")

    @property
    def progress(self) -> float:
        """The share that is done, 0 to 1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0

    def age(self, now: float | None = None) -> float:
        """Seconds since the run was made."""
        return max(0.0, (time.time() if now is None else now) - self.created_at)


@dataclass(frozen=True, eq=False)
class Measured:
    """One scalar of a run: `steps` int64, `values` and `wall_times` float64, all [points]."""

    steps: NDArray[np.int64]
    values: Floats
    wall_times: Floats


@dataclass(frozen=True, eq=False)
class RunDetail:
    """What is known of a run that somebody looks at."""

    row: RunRow
    scalars: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    log: tuple[LogLine, ...] = ()
    recipe: str = ""
    evaluations: tuple[str, ...] = ()
    """Names of the evaluations (`SPLIT-STEP.json`), oldest first."""
    version: int = 0
    """Rises whenever anything else here changed."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store at one moment."""

    runs: tuple[RunRow, ...] = ()
    followed: Mapping[str, RunDetail] = field(default_factory=lambda: MappingProxyType({}))
    problem: str = ""
    """Why the store cannot be read, if it cannot."""

    def run(self, run_id: str) -> RunRow | None:
        """The row of one run, or None when it is gone."""
        return next((row for row in self.runs if row.id == run_id), None)
