"""What a person does to a run: pause, resume, stop, kill."""

import os
import signal
import time
from collections.abc import Callable

from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.runs.launcher import launch
from vitbench.runs.lock import is_held
from vitbench.runs.process import is_alive, is_local, marked_processes
from vitbench.runs.status import ENDED, Status, read_status, write_status
from vitbench.runs.store import Run


def pause(run: Run) -> None:
    """Asks the worker to save and leave; the run can be resumed, bit for bit. A queued run is paused at once."""
    _ask(run, "pause", "paused")


def stop(run: Run) -> None:
    """Asks the worker to finish its step, save, and end the run. A run that is not running is stopped at once."""
    _ask(run, "stop", "stopped")


def resume(run: Run) -> None:
    """Goes on where the last checkpoint was saved. Raises UserError if the run is running or has finished."""
    status = run.status()
    if status.state == "running" or is_held(run.folder):
        raise UserError(f"Run {run.id} is running already.")
    if status.state == "finished":
        raise UserError(f"Run {run.id} has finished; start a new one with `vitbench train`.")
    if status.state == "diverged":
        raise UserError(f"Run {run.id} diverged and would again; start a new one with a smaller optim.lr.")
    launch(run)


def kill(run: Run, patience: float = 10.0) -> None:
    """Ends every process of the run with SIGKILL and returns when they are gone; the last checkpoint stays.

    The worker's group goes first, then whatever else of this user carries the run's mark: loader workers and ranks
    may live in groups of their own.
    """
    status = read_status(run.folder)
    process = status.process
    if process is not None and not is_local(process) and status.state == "running":
        raise UserError(f"Run {run.id} runs on {process.host}; kill it there.")
    if process is not None and is_alive(process):
        _signal(lambda: os.killpg(process.pid, signal.SIGKILL))
    deadline = time.monotonic() + patience
    while left := [pid for pid in marked_processes(run.id) if pid != os.getpid()]:
        for pid in left:
            _signal(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
        if time.monotonic() > deadline:
            raise UserError(f"Processes {left} of run {run.id} do not end; they may hang in the kernel.")
        time.sleep(0.05)
    while is_held(run.folder) and time.monotonic() < deadline:
        time.sleep(0.01)  # a dying process loses its mark before its files are closed
    status = read_status(run.folder)
    if status.state not in ENDED and status.state != "paused":
        _leave(run, status, "stopped", "Killed by hand.")


def wait(run: Run, timeout: float | None = None, progress: Progress = silent) -> Status:
    """Waits until no worker holds the run any more, and returns its status."""
    began = time.monotonic()
    while True:
        status = run.status()
        if status.state not in ("running", "queued") and not is_held(run.folder):
            return status
        if timeout is not None and time.monotonic() - began > timeout:
            return status
        progress(status.step, status.total_steps, "training")
        time.sleep(0.1)


def _ask(run: Run, request: str, outcome: str) -> None:
    status = run.status()
    if status.state in ENDED and status.state != "crashed":
        raise UserError(f"Run {run.id} is {status.state} already.")
    run.request(request)
    if not is_held(run.folder) and status.state != "running":
        run.obeyed(request)
        _leave(run, status, outcome, None)


def _leave(run: Run, status: Status, state: str, error: str | None) -> None:
    ended = time.time() if state in ENDED else None
    changes = {"state": state, "ended_at": ended, "eta_seconds": None, "error": error, "process": None}
    write_status(run.folder, status.model_copy(update=changes))


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except ProcessLookupError:
        return  # it was quicker
