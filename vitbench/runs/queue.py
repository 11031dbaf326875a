"""The runs of a store that wait for a GPU, and what whoever sees the store does for it."""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from vitbench.errors import UserError
from vitbench.runs.detached import reap, start_detached
from vitbench.runs.lease import outer_environment
from vitbench.runs.lock import RunLock, is_locked
from vitbench.runs.process import MARK, this_host
from vitbench.runs.status import Status, read_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import note_crash

_BETWEEN_STARTS = 10.0
"""Seconds between two schedulers that one process starts: the first takes a moment to be seen."""

_last_start: dict[Path, float] = {}


def waiting_runs(store: Store) -> list[Run]:
    """The runs that wait for a GPU of this machine, in the order in which they are served."""
    waiting = []
    for run in store.runs():
        status = read_status(run.folder)
        if waits_here(status):
            waiting.append((status.queued_at, run))
    return [run for _, run in sorted(waiting, key=lambda pair: (pair[0], pair[1].id))]


def waits_here(status: Status) -> bool:
    """Whether a run waits for a GPU of this machine: a store may be shared by several."""
    return status.is_waiting and status.host in ("", this_host())


def scheduler_lock(store: Path) -> Path:
    """The file that the scheduler of a store on this machine locks while it is at work."""
    return store / f"scheduler.{this_host()}.lock"


def start_scheduler(store: Path) -> int:
    """Starts a scheduler that outlives this process, and returns its pid; one too many leaves at once."""
    command = [sys.executable, "-m", "vitbench.runs.scheduler", str(store)]
    environment = {name: value for name, value in outer_environment().items() if name != MARK}
    return start_detached(command, store / "scheduler.log", environment)


def ensure_scheduler(store: Path) -> bool:
    """Starts a scheduler unless one is at work; False if none is, and none can be started: the store is another's."""
    if is_locked(scheduler_lock(store)) is not False:
        return True
    last = _last_start.get(store)
    if last is not None and time.monotonic() - last < _BETWEEN_STARTS:
        return True
    try:
        start_scheduler(store)
    except (OSError, UserError):
        return False
    _last_start[store] = time.monotonic()
    return True


def attend(store: Store, seen: Iterable[tuple[Run, Status]]) -> str:
    """What whoever has looked at the runs of a store does for it, as far as they may write there.

    Runs that wait and have no scheduler get one, and runs whose process is gone are written down as crashed. The
    answer is a sentence if runs wait and nothing can be done about it here, else empty.
    """
    reap()
    waiting, unattended = False, 0
    for run, status in seen:
        if waits_here(status):
            if may_serve(run):
                waiting = True
            else:
                unattended += 1
        elif status.state == "crashed" and may_serve(run):
            write_down_crash(run)
    if waiting:
        unattended = 0 if ensure_scheduler(store.folder) else 1
    if unattended and is_locked(scheduler_lock(store.folder)) is False:
        return (
            "Runs wait for a GPU, and no scheduler is at work: their owner starts one with `vitbench runs` "
            f"on {this_host()}."
        )
    return ""


def write_down_crash(run: Run) -> None:
    """Writes down that a run has crashed, if its status still says that it runs and nobody holds it."""
    if read_status(run.folder).state != "running":
        return
    try:
        lock = RunLock(run.folder)
    except OSError:
        return
    try:
        if lock.acquire(patience=0.0):
            note_crash(run, lock, by="scheduler")
    except (UserError, OSError):
        return  # it goes on elsewhere, or nothing can be written: it reads as crashed all the same
    finally:
        lock.release()


def may_serve(run: Run) -> bool:
    """Whether this user may start the run and write into its folder: root may, but it is not root's to do."""
    try:
        owner = run.folder.stat().st_uid
    except OSError:
        return False
    return owner == os.geteuid() or (os.geteuid() != 0 and os.access(run.folder, os.W_OK))
