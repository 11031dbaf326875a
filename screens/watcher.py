"""The one reader of the store: a thread that takes snapshots and hands them over. It never touches a widget."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from screens import wording
from screens.snapshot import LIVE_STATES, SPARKLINE_POINTS, Measured, RunDetail, RunRow, Snapshot
from vitbench.errors import UserError
from vitbench.files.reading import RECIPE, MissingFile, Unreadable, read_text
from vitbench.runs.about import about_file, read_about
from vitbench.runs.events import EventReader
from vitbench.runs.lease import allowed_gpus
from vitbench.runs.log import LogLine, LogTail
from vitbench.runs.queue import attend
from vitbench.runs.status import Status
from vitbench.runs.store import Run, Store

_LOG_LINES = 2000
_LONGEST_LOG = 2**20
"""Bytes of a log that are read at most at each look: more than its last lines take."""
_KEPT_READERS = 12


def update_interval() -> float:
    """Seconds between two looks at the store: one, and two over a line that may be slow."""
    return 2.0 if os.environ.get("SSH_CONNECTION") else 1.0


@dataclass(frozen=True)
class Wanted:
    """What the visible screen needs beside the table: runs in full, and runs with a sparkline."""

    followed: frozenset[str] = frozenset()
    sparklines: tuple[str, ...] = ()


@dataclass
class _Reading:
    """An open run: its event reader and its log, which only ever read on."""

    events: EventReader
    log: LogTail
    lines: list[LogLine] = field(default_factory=list)
    version: int = 0
    last: RunDetail | None = None
    told: set[str] = field(default_factory=set)

    def new_problems(self, step: int) -> list[LogLine]:
        """A damaged event file, told once as a line of the log: curves that end while the run goes on need a reason."""
        new = [problem for problem in self.events.problems if problem not in self.told]
        self.told.update(new)
        return [LogLine(time.time(), step, "warning", problem) for problem in new]


class Watcher:
    """Looks at the store again and again in `run`, or once in `look`."""

    def __init__(self, store: Store, post: Callable[[Snapshot], None], interval: float | None = None) -> None:
        self.store = store
        self.post = post
        self.interval = update_interval() if interval is None else interval
        self._wanted = Wanted()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._readings: dict[str, _Reading] = {}
        self._rows: dict[str, tuple[tuple[int, ...], RunRow]] = {}
        self._fresh: list[tuple[Run, Status]] = []
        self._sparklines: dict[str, tuple[float, ...]] = {}
        self._last = Snapshot()
        self._gpu_numbers: dict[str, str] | None = None

    def want(self, wanted: Wanted) -> None:
        """Changes what is read, and reads it at once."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._awake.set()

    def wake(self) -> None:
        """Looks now instead of at the next turn."""
        self._awake.set()

    def stop(self) -> None:
        """Ends `run` soon."""
        self._stopped.set()
        self._awake.set()

    def run(self) -> None:
        """Looks and posts until stopped; posts only what differs from the last time."""
        while not self._stopped.is_set():
            snapshot = self.look()
            if self._differs(snapshot):
                self._last = snapshot
                self.post(snapshot)
            self._awake.wait(self.interval)
            self._awake.clear()

    def look(self) -> Snapshot:
        """The store as it is now."""
        wanted = self._wanted
        try:
            runs = self.store.runs()
        except (UserError, OSError) as error:
            return Snapshot(problem=str(error))
        rows = {run.id: self._row(run) for run in runs}
        unattended, self._fresh = attend(self.store, self._fresh), []
        # A run that was deleted while it was read looks like a crashed one.
        runs = [run for run in runs if (run.folder / "status.json").exists()]
        rows = {run.id: rows[run.id] for run in runs}
        by_id = {run.id: run for run in runs}
        for gone in set(self._rows) - set(rows):
            self._rows.pop(gone, None)
            self._readings.pop(gone, None)
            self._sparklines.pop(gone, None)
        for run_id in wanted.sparklines:
            if run_id in rows:
                self._read_sparkline(by_id[run_id], rows[run_id])
        places = _places_in_queue(rows)
        finished = {
            run_id: replace(
                row,
                sparkline=self._sparklines.get(run_id, ()),
                place=places.get(run_id, 0),
                unattended=unattended if run_id in places else "",
            )
            for run_id, row in rows.items()
        }
        followed = {
            run_id: self._detail(by_id[run_id], finished[run_id]) for run_id in wanted.followed if run_id in by_id
        }
        self._forget_readings(wanted)
        return Snapshot(tuple(finished.values()), MappingProxyType(followed))

    def _differs(self, new: Snapshot) -> bool:
        old = self._last
        return (
            old.runs != new.runs
            or old.problem != new.problem
            or old.followed.keys() != new.followed.keys()
            or any(old.followed[run_id].version != detail.version for run_id, detail in new.followed.items())
        )

    def _row(self, run: Run) -> RunRow:
        """The row of a run; a run that has ended is read again only when its file has changed."""
        stamp = sum((_stamp(file) for file in _files_of_row(run)), ())
        known = self._rows.get(run.id)
        if known and known[0] == stamp and known[1].state not in LIVE_STATES:
            return known[1]
        status = run.status()
        self._fresh.append((run, status))
        about = read_about(run)
        row = replace(row_of(run, status, self._gpu_names), tags=about.tags, archived=about.archived)
        self._rows[run.id] = (stamp, row)
        return row

    def _gpu_names(self, uuids: Sequence[str]) -> str:
        """The numbers of GPUs of this machine, as `cuda:N` counts them; of another's the beginning of the UUID."""
        if uuids and self._gpu_numbers is None:
            self._gpu_numbers = _numbers_of_gpus()
        known = self._gpu_numbers or {}
        return ",".join(known.get(uuid, uuid.removeprefix("GPU-")[:4]) for uuid in uuids)

    def _reading(self, run: Run) -> _Reading:
        reading = self._readings.pop(run.id, None) or _Reading(
            EventReader(run.folder), LogTail(run.log, limit=_LONGEST_LOG)
        )
        self._readings[run.id] = reading
        return reading

    def _detail(self, run: Run, row: RunRow) -> RunDetail:
        reading = self._reading(run)
        try:
            new = reading.events.read()
            fresh = reading.log.read() + reading.new_problems(row.step)
        except OSError:
            new, fresh = False, []
        if fresh:
            reading.lines = (reading.lines + fresh)[-_LOG_LINES:]
        last = reading.last
        evaluations = _evaluations(run.folder)
        if last is None or new or fresh or evaluations != last.evaluations or row != last.row:
            reading.version += 1
            scalars = {
                tag: Measured(series.steps, series.values, series.wall_times)
                for tag, series in sorted(reading.events.series.items())
            }
            recipe = last.recipe if last and last.recipe else _text(run.folder / "recipe.toml")
            lines = last.log if last and not fresh else tuple(reading.lines)
            version = reading.version
            reading.last = RunDetail(row, MappingProxyType(scalars), lines, recipe, evaluations, version)
        assert reading.last is not None
        return reading.last

    def _read_sparkline(self, run: Run, row: RunRow) -> None:
        """The training loss in a few points. Of a run that has ended it is read once."""
        if run.id in self._sparklines and row.state not in LIVE_STATES:
            return
        reading = self._reading(run)
        try:
            new = reading.events.read()
        except OSError:
            return
        series = reading.events.series.get("train/loss")
        if series is None or (not new and run.id in self._sparklines):
            if row.state not in LIVE_STATES:
                self._sparklines[run.id] = ()
            return
        parts = np.array_split(series.values, min(SPARKLINE_POINTS, len(series.values)))
        self._sparklines[run.id] = tuple(float(f"{np.mean(part):.2g}") for part in parts if part.size)

    def _forget_readings(self, wanted: Wanted) -> None:
        """Keeps the readings in use and a few more: each holds all scalars of its run in memory."""
        live = {run_id for run_id, (_, row) in self._rows.items() if row.state in LIVE_STATES}
        in_use = wanted.followed | (live & set(wanted.sparklines))
        spare = [run_id for run_id in self._readings if run_id not in in_use]
        for run_id in spare[: max(0, len(spare) - _KEPT_READERS)]:
            del self._readings[run_id]


def _files_of_row(run: Run) -> tuple[Path, ...]:
    """What the row of a run depends on."""
    return (run.folder / "status.json", run.folder / "progress.json", about_file(run))


def row_of(run: Run, status: Status, gpu_names: Callable[[Sequence[str]], str] = ",".join) -> RunRow:
    """What the table shows of a run, from its status. `gpu_names` writes the UUIDs of its GPUs."""
    latest = status.latest
    best = ""
    if status.best is not None:
        name, value = status.best.metric.removeprefix("validation/"), status.best.value
        written = wording.percent(value) if name.endswith("accuracy") else wording.loss(value)
        best = f"{name} {written} at step {status.best.step:,}"
    return RunRow(
        id=run.id,
        name=status.name,
        state=status.state,
        task=status.task,
        model=status.model,
        data=status.data,
        preset=status.preset,
        step=status.step,
        total_steps=status.total_steps,
        epoch=status.epoch,
        epochs=status.epochs,
        loss=latest.get("train/loss"),
        accuracy=latest.get("validation/accuracy", latest.get("validation/token_accuracy")),
        rate=status.pictures_per_second,
        rate_of=status.rate_of,
        eta_seconds=status.eta_seconds,
        device=status.device or "",
        gpus=gpu_names(status.gpus),
        created_at=status.created_at,
        started_at=status.started_at,
        ended_at=status.ended_at,
        queued_at=status.queued_at if status.is_waiting else None,
        waits_for=status.waits_for or "",
        error=status.error or "",
        doing=status.doing.sentence(status.heartbeat) if status.doing and status.state == "running" else "",
        best=best,
    )


def _numbers_of_gpus() -> dict[str, str]:
    """The number of each GPU that may be used here, by UUID."""
    try:
        return {gpu.name: str(number) for number, gpu in enumerate(allowed_gpus())}
    except UserError:
        return {}  # VITBENCH_GPUS names what is not there; whoever starts a run is told


def _places_in_queue(rows: Mapping[str, RunRow]) -> dict[str, int]:
    """The runs that wait for a GPU with their places, from 1, in the order in which the scheduler serves them."""
    waiting = sorted((row.queued_at, run_id) for run_id, row in rows.items() if row.queued_at is not None)
    return {run_id: place for place, (_, run_id) in enumerate(waiting, 1)}


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _text(file: Path) -> str:
    try:
        return read_text(file, RECIPE, errors="replace")
    except Unreadable as error:
        return "" if isinstance(error, MissingFile) else str(error)


def _evaluations(folder: Path) -> tuple[str, ...]:
    try:
        files = [(entry.stat().st_mtime, entry.name) for entry in (folder / "evaluations").iterdir()]
    except OSError:
        return ()
    return tuple(name for _, name in sorted(files) if name.endswith(".json"))
