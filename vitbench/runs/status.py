"""Where a run stands: `status.json`, written by `transition` alone, and `progress.json`, written by the worker alone.

The state and what belongs to it change seldom and stand in the first; the heartbeat and what has been computed so far
change every second and stand in the second, so that a heartbeat can never overwrite a state. Readers see both as one.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitbench.files.reading import RECORD, read_bytes
from vitbench.files.writing import write_whole
from vitbench.progress import duration
from vitbench.runs.process import ProcessName
from vitbench.runs.states import State

Time = Annotated[float, Field(allow_inf_nan=False)]
"""Seconds since the epoch, whatever a clock said."""
Count = Annotated[int, Field(ge=0, lt=2**63)]

_STATUS, _PROGRESS = "status.json", "progress.json"


class Best(BaseModel, frozen=True):
    """The best evaluation so far."""

    metric: str
    value: float
    step: Count


class Activity(BaseModel, frozen=True):
    """Long work before or between the steps of a training; `total` is 0 while unknown."""

    what: str
    done: Count = 0
    total: Count = 0
    began: Time
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


_DELETED_WITHIN = 60.0
"""Seconds within which a folder that lost its status may still be about to be deleted."""


class RunProgress(BaseModel):
    """What a worker has done so far; `epoch` counts in fractions, `latest` holds the monitored scalars.

    A run that diverges has NaN in `latest`, which has to be written as NaN: pydantic's null could not be read back.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    beat: Count = 0
    """Rises with each heartbeat over all starts of a run, so the newer of two files is known without a clock."""
    heartbeat: Time = 0.0
    step: Count = 0
    total_steps: Count = 0
    epoch: Annotated[float, Field(allow_inf_nan=False, ge=0)] = 0.0
    eta_seconds: Annotated[float, Field(allow_inf_nan=False)] | None = None
    pictures_per_second: float | None = None
    rate_of: str = "pictures"
    """What `pictures_per_second` counts: while a head is trained on stored features, these and not pictures."""
    device: str | None = None
    latest: dict[str, float] = {}
    best: Best | None = None
    left_out: Count = 0
    """Pictures that could be read when the data was indexed, and cannot be any more."""
    doing: Activity | None = None


PROGRESS_FIELDS = frozenset(RunProgress.model_fields)


class Status(RunProgress):
    """A run's state and what belongs to it, with its progress. Times are seconds since the epoch.

    A running run has no `process` until its worker has spoken; the run's lock is held from before that on.
    """

    state: State = "queued"
    process: ProcessName | None = None
    host: str = ""
    """The machine on which the run was queued or started last; empty in folders of earlier versions."""
    created_at: Time = 0.0
    queued_at: Time | None = None
    queued_for: list[str] = []
    """The GPUs of which a waiting run may have one, by UUID (else by number); `cpu` for a CPU slot, or `slurm`."""
    needs_gpus: Count = 1
    """How many GPUs the run computes on: all of them are taken at once, or none."""
    needs_memory: Count = 0
    """Bytes that have to be free on each GPU of the run, because a person asked for them; 0 for no wish."""
    slurm_job: str = ""
    """The SLURM job in which the run waits or runs, or did last; empty without SLURM."""
    held: bool = False
    """Whether a waiting run is not to be started until it is released."""
    after: list[str] = []
    """Ids of runs that a waiting run is to follow: it starts when all of them have finished."""
    waits_for: str | None = None
    """Why a run that waits has no GPU yet, as a sentence: who holds them."""
    started_at: Time | None = None
    ended_at: Time | None = None
    epochs: Count = 0
    gpus: list[str] = []
    error: str | None = None
    name: str = ""
    task: str = "classify"
    model: str = ""
    data: str = ""
    preset: str = ""
    version: str = ""
    """The version of vitbench that made the run."""

    @property
    def is_waiting(self) -> bool:
        """Whether the run waits for a GPU or a CPU slot. One only just created is queued too, but nobody's yet."""
        return self.state == "queued" and self.queued_at is not None

    def progress(self) -> dict[str, Any]:
        """The fields of RunProgress with their values."""
        return {name: getattr(self, name) for name in PROGRESS_FIELDS}


def is_run(folder: Path) -> bool:
    """Whether a folder is a run: it has a status or, where that was lost a while ago, still its recipe.

    In a folder that is just being deleted the status may be gone before the recipe.
    """
    if status_file(folder).exists():
        return True
    try:
        return (folder / "recipe.toml").is_file() and folder.stat().st_mtime < time.time() - _DELETED_WITHIN
    except OSError:
        return False


def status_file(folder: Path) -> Path:
    """Where a run folder keeps its state."""
    return folder / _STATUS


def progress_file(folder: Path) -> Path:
    """Where a run folder keeps its heartbeat and progress."""
    return folder / _PROGRESS


def read_status(folder: Path) -> Status:
    """State and progress as written. A status that is missing or not readable (a folder half deleted) is crashed."""
    try:
        status = parse_status(folder)
    except FileNotFoundError:
        error = "The run folder has lost its status.json; to resume the run writes it again."
        return Status(state="crashed", error=error, created_at=_made_at(folder))
    except (OSError, ValueError) as error:
        reason = _reason(error)
        return Status(state="crashed", error=f"status.json cannot be read: {reason}", created_at=_made_at(folder))
    progress = read_progress(folder)
    changes = {} if progress is None or progress.beat <= status.beat else dict(progress)
    if status.state != "running" or status.process is None:
        changes |= {"eta_seconds": None, "doing": None}  # of a worker that is gone
    if all(getattr(status, name) == value for name, value in changes.items()):
        return status
    return status.model_copy(update=changes)


def _reason(error: OSError | ValueError) -> str:
    """Why a status cannot be read, in a line: of several mistakes the first, with its key."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        return f"{key}: {first['msg']}" if key else first["msg"]
    return next(iter(str(error).splitlines()), type(error).__name__)


def _made_at(folder: Path) -> float:
    """About when a run was made whose status cannot tell: its recipe is written once, at the beginning."""
    for file in (folder / "recipe.toml", folder):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def parse_status(folder: Path) -> Status:
    """What `status.json` says, without the newer progress. Raises OSError, and ValueError if it is damaged."""
    return Status.model_validate_json(read_bytes(f"{folder}/{_STATUS}", RECORD))


def read_progress(folder: Path) -> RunProgress | None:
    """What the worker wrote last; None if nothing can be read, as in a run that never began."""
    file = f"{folder}/{_PROGRESS}"
    if not os.path.exists(file):  # noqa: PTH110 - of thousands of runs, many of which have none
        return None
    try:
        return RunProgress.model_validate_json(read_bytes(file, RECORD))
    except (OSError, ValidationError):
        return None


def write_status(folder: Path, status: Status) -> None:
    """Replaces the status in one step. Only `transition` and the maker of a run may call it.

    Raises OSError (a full disk), and then the old one stands.
    """
    write_whole(status_file(folder), status.model_dump_json(indent=1))


def write_progress(folder: Path, progress: RunProgress) -> None:
    """Replaces the progress in one step, not made to survive a power cut. Raises OSError as `write_status` does."""
    write_whole(progress_file(folder), progress.model_dump_json(indent=1), durable=False)


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
