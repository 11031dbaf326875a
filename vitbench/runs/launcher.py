"""Starts workers that outlive whoever started them, on a GPU that is free; without one, a run waits in the queue."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vitbench.errors import UserError
from vitbench.runs.estimates import known_memory
from vitbench.runs.lease import Busy, Lease, lease_for, outer_environment
from vitbench.runs.lock import INHERITED, RunLock, is_held
from vitbench.runs.process import MARK
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Run

MENDABLE = 2
"""The exit code of a worker that a person's mistake ended."""


def launch(run: Run, command: Sequence[str] | None = None) -> int | None:
    """Starts the worker of `run` in a session of its own, and returns its pid.

    Where the run needs a GPU and all are held, it is queued for the keeper, and the answer is None. What the worker
    prints goes to `worker.log`. Raises UserError if the run has a worker already, or names a GPU that is not there.
    """
    with _taken(run) as lock:
        run.obeyed()
        started = _start_if_free(run, lock, command)
        if not isinstance(started, Busy):
            return started
        status = read_status(run.folder)
        since = status.queued_at if status.is_waiting else time.time()
        changes = {"state": "queued", "queued_at": since, "error": None, "ended_at": None, "process": None}
        changes["waits_for"] = started.reason
        write_status(run.folder, status.model_copy(update=changes))
    from vitbench.runs.keeper import start_keeper

    start_keeper(run.folder.parent.parent)
    return None


def launch_queued(run: Run, command: Sequence[str] | None = None) -> int | None:
    """Starts the worker of a run that still waits in the queue; None if no GPU is free or it waits no more.

    What was asked of it meanwhile (a pause) stays asked. Raises UserError as `launch` does.
    """
    with _taken(run) as lock:
        status = read_status(run.folder)
        if not status.is_waiting:
            return None
        started = _start_if_free(run, lock, command)
        if not isinstance(started, Busy):
            return started
        if started.reason != status.waits_for:
            write_status(run.folder, status.model_copy(update={"waits_for": started.reason}))
        return None


def wait_until_taken(run: Run, pid: int | None, timeout: float = 60.0) -> int | None:
    """Waits until the worker has begun or ended, or `timeout` seconds have passed; not at all for a queued run.

    The lock is held from the start on; the worker's first word of its own is its name in the status. The answer is
    the exit code of a worker that has ended.
    """
    deadline = time.monotonic() + timeout
    while pid is not None and time.monotonic() < deadline:
        if read_status(run.folder).process is not None and is_held(run.folder):
            return None
        if (code := exit_code(pid)) is not None:
            return code
        time.sleep(0.05)
    return None


def exit_code(pid: int, patience: float = 0.0) -> int | None:
    """The exit code of a worker that this process has started; None if it still runs, or somebody else started it.

    A worker that ends gives the run's lock back an instant before it is gone, for which `patience` waits (seconds).

    MENDABLE means that a person can mend what ended it, and that the run's error says how.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.01)


@contextmanager
def _taken(run: Run) -> Iterator[RunLock]:
    """Holds the run; a worker that was started inside goes on holding it."""
    lock = RunLock(run.folder)
    try:
        if not lock.acquire():
            raise UserError(f"Run {run.id} is running already.")
        yield lock
    finally:
        lock.release()


def _start_if_free(run: Run, lock: RunLock, command: Sequence[str] | None) -> int | Busy:
    """Starts the worker on a GPU that is free, or on the CPU of a machine without one."""
    recipe = run.recipe()
    lease = lease_for(recipe.train.device, known_memory(run.folder.parent.parent, recipe))
    if isinstance(lease, Busy):
        return lease
    try:
        return _start(run, lock, lease, command)
    finally:
        if lease is not None:
            lease.close()


def _start(run: Run, lock: RunLock, lease: Lease | None, command: Sequence[str] | None) -> int:
    """Says that the run is running, then starts its worker, which inherits the run's lock and the lease."""
    before = read_status(run.folder)
    changes: dict[str, Any] = {"state": "running", "process": None, "queued_at": None, "error": None, "ended_at": None}
    changes |= {"waits_for": None, "gpus": [lease.gpu] if lease else []}
    write_status(run.folder, before.model_copy(update=changes))
    environment = lease.environment() if lease else outer_environment()
    try:
        with (run.folder / "worker.log").open("ab") as output:
            process = subprocess.Popen(
                command or [sys.executable, "-m", "vitbench.training.worker", str(run.folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=[lock.descriptor, *([lease.descriptor] if lease else [])],
                env={**environment, MARK: run.id, INHERITED: str(lock.descriptor)},
            )
    except OSError:
        write_status(run.folder, before)
        raise
    return process.pid
