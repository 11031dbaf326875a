"""The one reader of the store: a thread that takes snapshots and hands them over. It never touches a widget."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from screens.snapshot import LIVE_STATES, Measured, RunDetail, RunRow, Snapshot
from vitbench.errors import UserError
from vitbench.runs.events import EventReader
from vitbench.runs.log import LogLine, LogTail
from vitbench.runs.store import Run, Store

SPARKLINE_POINTS = 12
_LOG_LINES = 2000
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
        self._rows: dict[str, tuple[tuple[int, int, int], RunRow]] = {}
        self._sparklines: dict[str, tuple[float, ...]] = {}
        self._last = Snapshot()

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
        by_id = {run.id: run for run in runs}
        for gone in set(self._rows) - set(rows):
            self._rows.pop(gone, None)
            self._readings.pop(gone, None)
            self._sparklines.pop(gone, None)
        for run_id in wanted.sparklines:
            if run_id in rows:
                self._read_sparkline(by_id[run_id], rows[run_id])
        finished = {run_id: replace(row, sparkline=self._sparklines.get(run_id, ())) for run_id, row in rows.items()}
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
        stamp = _stamp(run.folder / "status.json")
        known = self._rows.get(run.id)
        if known and known[0] == stamp and known[1].state not in LIVE_STATES:
            return known[1]
        row = row_of(run)
        self._rows[run.id] = (stamp, row)
        return row

    def _reading(self, run: Run) -> _Reading:
        reading = self._readings.pop(run.id, None) or _Reading(EventReader(run.folder), LogTail(run.log))
        self._readings[run.id] = reading
        return reading

    def _detail(self, run: Run, row: RunRow) -> RunDetail:
        reading = self._reading(run)
        try:
            new = reading.events.read()
            fresh = reading.log.read()
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


def row_of(run: Run) -> RunRow:
    """What the table shows of a run, from its status."""
    status = run.status()
    latest = status.latest
    best = ""
    if status.best is not None:
        best = f"{status.best.metric} {status.best.value:.4g} at step {status.best.step:,}"
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
        eta_seconds=status.eta_seconds,
        device=status.device or "",
        gpus=",".join(map(str, status.gpus)),
        created_at=status.created_at,
        started_at=status.started_at,
        ended_at=status.ended_at,
        error=status.error or "",
        best=best,
    )


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _evaluations(folder: Path) -> tuple[str, ...]:
    try:
        files = [(entry.stat().st_mtime, entry.name) for entry in (folder / "evaluations").iterdir()]
    except OSError:
        return ()
    return tuple(name for _, name in sorted(files) if name.endswith(".json"))
