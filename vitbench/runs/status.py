"""Where a run stands: one small file, replaced whole at each change."""

import time
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from vitbench.progress import duration
from vitbench.runs.files import write_whole
from vitbench.runs.process import ProcessName

State = Literal["queued", "running", "paused", "stopped", "finished", "failed", "diverged", "crashed"]
STATES: tuple[str, ...] = get_args(State)
ENDED = ("stopped", "finished", "failed", "diverged", "crashed")


class Best(BaseModel, frozen=True):
    """The best evaluation so far."""

    metric: str
    value: float
    step: int


class Activity(BaseModel, frozen=True):
    """Long work before or between the steps of a training; `total` is 0 while unknown."""

    what: str
    done: int = 0
    total: int = 0
    began: float
    """Seconds since the epoch."""

    def sentence(self, now: float) -> str:
        """How far it is at the moment `now`: `evaluating, 300 of 900, 20 s left`."""
        parts = [self.what]
        if self.total:
            parts.append(f"{self.done:,} of {self.total:,}")
            elapsed = now - self.began
            if 0 < self.done < self.total and elapsed > 1:
                parts.append(f"{duration(elapsed / self.done * (self.total - self.done))} left")
        return ", ".join(parts)


class Status(BaseModel):
    """Times are seconds since the epoch; `epoch` counts in fractions; `latest` holds the headline scalars.

    A running run has no `process` until its worker has spoken; the run's lock is held from before that on.

    A run that diverges has NaN in `latest`, which has to be written as NaN: pydantic's null could not be read back.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    state: State = "queued"
    process: ProcessName | None = None
    heartbeat: float = 0.0
    created_at: float = 0.0
    queued_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    epochs: int = 0
    eta_seconds: float | None = None
    pictures_per_second: float | None = None
    device: str | None = None
    gpus: list[str] = []
    waits_for: str | None = None
    """Why a run that waits has no GPU yet, as a sentence: who holds them."""
    error: str | None = None
    name: str = ""
    task: str = "classify"
    model: str = ""
    data: str = ""
    preset: str = ""
    latest: dict[str, float] = {}
    best: Best | None = None
    doing: Activity | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the run waits for a GPU. One that was only just created is queued too, but nobody's yet."""
        return self.state == "queued" and self.queued_at is not None


def status_file(folder: Path) -> Path:
    """Where a run folder keeps its status."""
    return folder / "status.json"


def read_status(folder: Path) -> Status:
    """The status as written. One that is missing or not readable (a folder half deleted) reads as crashed."""
    try:
        return Status.model_validate_json(status_file(folder).read_bytes())
    except FileNotFoundError:
        return Status(state="crashed", error="The run folder has no status.json.")
    except (OSError, ValidationError) as error:
        return Status(state="crashed", error=f"status.json cannot be read: {str(error).splitlines()[0]}")


def write_status(folder: Path, status: Status) -> None:
    """Replaces the status in one step. Raises OSError (a full disk), and then the old one stands."""
    write_whole(status_file(folder), status.model_dump_json(indent=1))


class HeartbeatWatch:
    """Judges processes of other machines: alive while their heartbeat advances, on this machine's own clock."""

    def __init__(self, patience: float = 120.0) -> None:
        self.patience = patience
        self._seen: dict[Path, tuple[float, float]] = {}

    def is_alive(self, folder: Path, heartbeat: float) -> bool:
        """Whether the heartbeat of a run has advanced within `patience` seconds of looking at it."""
        now = time.monotonic()
        known = self._seen.get(folder)
        if known is None or known[0] != heartbeat:
            self._seen[folder] = (heartbeat, now)
            return True
        return now - known[1] < self.patience
