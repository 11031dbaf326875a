"""The one reader of the store: a thread that takes snapshots and hands them over. It never touches a widget."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from screens.snapshot import GROWING_STATES, Measured, RunDetail, RunRow, Snapshot
from vitbench.errors import UserError
from vitbench.files.reading import RECIPE, MissingFile, Unreadable, read_text
from vitbench.listing.log_rows import LogRows, averaged
from vitbench.listing.rows import row_of
from vitbench.listing.store_rows import StoreRows
from vitbench.runs.events import EventReader
from vitbench.runs.lease import allowed_gpus
from vitbench.runs.log import LogLine, LogTail
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store

__all__ = ["Wanted", "Watcher", "row_of", "update_interval"]

_LOG_LINES = 2000
_LONGEST_LOG = 2**20
"""Bytes of a log that are read at most at each look: more than its last lines take."""
_KEPT_READERS = 12
_AT_ONCE = 0.25
"""Seconds for which a large store, or many logs, are read before what is known is shown."""
_ASIDE = 0.05
"""Seconds for which recipes and scores are read at a stretch, so that keys are answered between."""
_PAUSE = 0.03


def update_interval() -> float:
    """Seconds between two looks at the store: one, and two over a line that may be slow."""
    return 2.0 if os.environ.get("SSH_CONNECTION") else 1.0


@dataclass(frozen=True)
class Wanted:
    """What the visible screen needs beside the table: runs in full, and runs with a sparkline.

    With `recipes`, rows have the keys of their recipes; `scalars` are those of which rows have best and last values.
    """

    followed: frozenset[str] = frozenset()
    sparklines: tuple[str, ...] = ()
    recipes: bool = False
    scalars: frozenset[str] = frozenset()


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
    """Looks at the store again and again in `run`, or once in `poll`."""

    def __init__(
        self,
        store: Store,
        post: Callable[[Snapshot], None],
        interval: float | None = None,
        logs: Sequence[Path] = (),
    ) -> None:
        """`logs` are folders of other tools' logs, which are read too."""
        self.store = store
        self.post = post
        self.interval = update_interval() if interval is None else interval
        self._wanted = Wanted()
        self._awake = threading.Event()
        self._stopped = threading.Event()
        self._rows = StoreRows(store, self._gpu_names)
        self._logs = LogRows(logs)
        self._log_roots = tuple(logs)
        self._readings: dict[str, _Reading] = {}
        self._log_details: dict[str, tuple[tuple[object, ...], RunDetail]] = {}
        self._complete: dict[str, tuple[tuple[object, ...], RunRow]] = {}
        """Each row to which something was added, so that a row that is as before is the same object."""
        self._sparklines: dict[str, tuple[float, ...]] = {}
        self._last = Snapshot()
        self._gpu_numbers: dict[str, str] | None = None

    def want(self, wanted: Wanted) -> None:
        """Changes what is read, and reads it at once."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._awake.set()

    @property
    def log_roots(self) -> tuple[Path, ...]:
        """The folders of other tools' logs."""
        return self._log_roots

    def watch_logs(self, roots: Sequence[Path]) -> None:
        """Reads these folders of other tools' logs from now on."""
        self._log_roots = tuple(roots)
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
        at_once = _ASIDE  # the first rows at once
        while not self._stopped.is_set():
            snapshot = self.poll(at_once)
            at_once = _AT_ONCE
            if self._differs(snapshot):
                self._last = snapshot
                self.post(snapshot)
            self._awake.wait(_PAUSE if snapshot.left or snapshot.reading else self.interval)
            self._awake.clear()

    def poll(self, seconds: float = float("inf")) -> Snapshot:
        """The store as it is now, as far as it can be read within some seconds."""
        wanted = self._wanted
        if self._logs.roots != self._log_roots:
            self._logs = LogRows(self._log_roots)
        try:
            polled = self._rows.poll(seconds)
        except (UserError, OSError) as error:
            return Snapshot(problem=str(error))
        unattended = attend(self.store, polled.fresh)
        aside = seconds if seconds == float("inf") else _ASIDE
        reading = self._read_aside(polled.rows, wanted, aside)
        rows = polled.rows
        if wanted.recipes or wanted.scalars:
            rows = {run_id: self._rows.row(run_id) or row for run_id, row in rows.items()}
        logs, logs_left = self._logs.poll(wanted.scalars, seconds)
        for run_id in wanted.sparklines:
            if run_id in rows:
                self._read_sparkline(self._run(run_id), rows[run_id])
        places = _places_in_queue(rows)
        for memory in (self._complete, self._readings, self._sparklines):
            for gone in [run_id for run_id in memory if run_id not in rows]:
                memory.pop(gone)
        complete = dict(rows)
        for run_id in self._sparklines.keys() | places.keys():
            complete[run_id] = self._completed(rows[run_id], places.get(run_id, 0), unattended)
        complete |= logs
        followed = {run_id: self._detail(complete[run_id]) for run_id in wanted.followed if run_id in complete}
        self._forget_readings(wanted, complete)
        return Snapshot(
            tuple(complete.values()),
            MappingProxyType(followed),
            left=polled.left + logs_left,
            reading=reading,
            scalars=frozenset(self._rows.tags | self._logs.tags),
            running=sum(row.state == "running" for row in complete.values()),
            logs=len(logs),
            log_problems=tuple(self._logs.problems),
        )

    def _read_aside(self, rows: Mapping[str, RunRow], wanted: Wanted, seconds: float) -> str:
        """Recipes and scores, of the runs that are to be seen first; says what is not read yet."""
        if not wanted.recipes and not wanted.scalars:
            return ""
        first = (*wanted.followed, *wanted.sparklines)
        order = dict.fromkeys([*(run_id for run_id in first if run_id in rows), *reversed(list(rows))])
        if wanted.recipes and not self._rows.read_recipes(order, seconds):
            return "recipes"
        return "" if self._rows.read_scores(order, wanted.scalars, seconds) else "scores"

    def _completed(self, row: RunRow, place: int, unattended: str) -> RunRow:
        """The row with its sparkline and its place in the queue; most of a large store's have neither."""
        added = (row, self._sparklines.get(row.id, ()), place, unattended if place else "")
        known = self._complete.get(row.id)
        if known is not None and known[0][0] is row and known[0][1:] == added[1:]:
            return known[1]
        complete = replace(row, sparkline=added[1], place=place, unattended=added[3]) if any(added[1:]) else row
        self._complete[row.id] = (added, complete)
        return complete

    def _differs(self, new: Snapshot) -> bool:
        old = self._last
        return (
            old.runs != new.runs
            or (old.problem, old.left, old.reading) != (new.problem, new.left, new.reading)
            or old.log_problems != new.log_problems
            or old.followed.keys() != new.followed.keys()
            or any(old.followed[run_id].version != detail.version for run_id, detail in new.followed.items())
        )

    def _gpu_names(self, uuids: Sequence[str]) -> str:
        """The numbers of GPUs of this machine, as `cuda:N` counts them; of another's the beginning of the UUID."""
        if uuids and self._gpu_numbers is None:
            self._gpu_numbers = _numbers_of_gpus()
        known = self._gpu_numbers or {}
        return ",".join(known.get(uuid, uuid.removeprefix("GPU-")[:4]) for uuid in uuids)

    def _run(self, run_id: str) -> Run:
        return Run(self.store.runs_folder / run_id)

    def _reading(self, run: Run) -> _Reading:
        reading = self._readings.pop(run.id, None) or _Reading(
            EventReader(run.folder), LogTail(run.log, limit=_LONGEST_LOG)
        )
        self._readings[run.id] = reading
        return reading

    def _detail(self, row: RunRow) -> RunDetail:
        return self._detail_of_log(row) if row.log_folder else self._detail_of_run(self._run(row.id), row)

    def _detail_of_log(self, row: RunRow) -> RunDetail:
        """The curves of another tool's log; what is to be said of its files stands where a run has its log."""
        reader = self._logs.reader(row.id)
        assert reader is not None
        problems = tuple(reader.problems)
        now = (row, problems, *((tag, len(series)) for tag, series in reader.series.items()))
        known = self._log_details.get(row.id)
        if known is None or known[0] != now:
            scalars = {
                tag: Measured(series.steps, series.values, series.wall_times)
                for tag, series in sorted(reader.series.items())
            }
            lines = tuple(LogLine(row.created_at, row.step, "warning", problem) for problem in problems)
            version = known[1].version + 1 if known else 1
            known = (now, RunDetail(row, MappingProxyType(scalars), lines, version=version))
            self._log_details[row.id] = known
        return known[1]

    def _detail_of_run(self, run: Run, row: RunRow) -> RunDetail:
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
        if run.id in self._sparklines and row.state not in GROWING_STATES:
            return
        reading = self._reading(run)
        try:
            new = reading.events.read()
        except OSError:
            return
        series = reading.events.series.get("train/loss")
        if series is None or (not new and run.id in self._sparklines):
            if row.state not in GROWING_STATES:
                self._sparklines[run.id] = ()
            return
        self._sparklines[run.id] = averaged(series.values)

    def _forget_readings(self, wanted: Wanted, rows: Mapping[str, RunRow]) -> None:
        """Keeps the readings in use and a few more: each holds all scalars of its run in memory."""
        live = {run_id for run_id in wanted.sparklines if run_id in rows and rows[run_id].state in GROWING_STATES}
        in_use = wanted.followed | live
        spare = [run_id for run_id in self._readings if run_id not in in_use]
        for run_id in spare[: max(0, len(spare) - _KEPT_READERS)]:
            del self._readings[run_id]


def _numbers_of_gpus() -> dict[str, str]:
    """The number of each GPU that may be used here, by UUID."""
    try:
        return {gpu.name: str(number) for number, gpu in enumerate(allowed_gpus())}
    except UserError:
        return {}  # VITBENCH_GPUS names what is not there; whoever starts a run is told


def _places_in_queue(rows: Mapping[str, RunRow]) -> dict[str, int]:
    """The runs that wait for a GPU with their places, from 1, in the order in which the scheduler serves them."""
    here = ((run_id, row) for run_id, row in rows.items() if not row.in_slurm)
    waiting = sorted((row.queued_at, run_id) for run_id, row in here if row.queued_at is not None)
    return {run_id: place for place, (_, run_id) in enumerate(waiting, 1)}


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
