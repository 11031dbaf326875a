"""Gives free GPUs to the runs that wait for one: `python -m vitbench.runs.keeper STORE`.

One process a store and machine, started when something is queued; it leaves when the queue is empty. It may be killed
at any instant: the queue is in the status of the runs, the GPUs are held by the workers, and the next one goes on.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vitbench.errors import UserError
from vitbench.runs.launcher import launch_queued
from vitbench.runs.lease import outer_environment
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.process import MARK, this_host
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Run, Store

_PAUSE = 1.0
"""Seconds between two looks; longer in a store so large that a look takes a while."""

StartRun = Callable[[Run], int | None]


def start_keeper(store: Path) -> int:
    """Starts a keeper that outlives this process, and returns its pid; one too many leaves at once."""
    environment = {name: value for name, value in outer_environment().items() if name != MARK}
    with (store / "keeper.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "vitbench.runs.keeper", str(store)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        ).pid


def keep(store: Store, start: StartRun = launch_queued, pause: float = _PAUSE) -> None:
    """Starts the waiting runs as GPUs become free, and returns when none waits, or when another keeper is at work."""
    while True:
        descriptor = os.open(store.folder / f"keeper.{this_host()}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return
        try:
            while waiting := look(store):
                began = time.monotonic()
                give(waiting, start)
                time.sleep(max(pause, 10 * (time.monotonic() - began)))
        finally:
            os.close(descriptor)
        # Whoever queued a run while the lock was still ours found a keeper at work, and relies on it.
        if not look(store):
            return


def look(store: Store) -> list[Run]:
    """The runs that wait, the longest first; a run whose process is gone is written down as crashed on the way."""
    waiting = []
    for run in store.runs():
        status = read_status(run.folder)
        if status.is_waiting:
            waiting.append((status.queued_at, run))
        elif status.state == "running":
            bury(run)
    return [run for _, run in sorted(waiting, key=lambda pair: (pair[0], pair[1].id))]


def give(waiting: list[Run], start: StartRun) -> None:
    """Starts what can be started. A run that can never be is failed, with the reason."""
    for run in waiting:
        try:
            start(run)
        except UserError as error:
            if not is_held(run.folder) and read_status(run.folder).is_waiting:
                changes = {"state": "failed", "error": str(error), "ended_at": time.time(), "queued_at": None}
                write_status(run.folder, read_status(run.folder).model_copy(update=changes))
        except OSError as error:  # a full disk, or a folder that vanished: it may be better at the next look
            print(f"{time.strftime('%F %T')} {run.id}: {error}", file=sys.stderr, flush=True)


def bury(run: Run) -> None:
    """Writes down that a run has crashed, if its process is gone."""
    if run.status().state != "crashed":
        return
    lock = RunLock(run.folder)
    try:
        if not lock.acquire(patience=0.0):
            return
        status = run.status()  # nobody can start it now
        if status.state == "crashed":
            write_status(run.folder, status.model_copy(update={"ended_at": time.time(), "process": None, "gpus": []}))
    finally:
        lock.release()


if __name__ == "__main__":
    keep(Store(sys.argv[1]))
