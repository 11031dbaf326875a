"""What a person does to a run: pause, resume, stop, kill. Each answers with what is so now, to be put after a name."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from vitbench.errors import UserError
from vitbench.progress import Progress, silent
from vitbench.runs import slurm
from vitbench.runs.launcher import launch
from vitbench.runs.liveness import is_elsewhere, process_lives, refuse_if_it_runs_elsewhere
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.process import marked_processes
from vitbench.runs.queue import attend
from vitbench.runs.slurm import waits_in_slurm
from vitbench.runs.states import ENDED, State, is_allowed
from vitbench.runs.status import Status, read_status
from vitbench.runs.store import KILLED, Run, Store
from vitbench.runs.transition import RunGone, StateChanged, leave_request, note_crash, transition

_PATIENCE = 15.0
"""Seconds that a run may be held by somebody who is only starting it, or by a worker that has left."""
_PATIENCE_WITH_SLURM = 60.0


def pause(run: Run) -> str:
    """Asks the worker to save and leave; the run can be resumed, bit for bit. A queued run is paused at once.

    Raises UserError if the run has ended.
    """
    return _ask(run, "pause", "paused", "is asked to save and free the GPU")


def stop(run: Run) -> str:
    """Asks the worker to finish its step, save, and end the run. A run that is not running is stopped at once.

    Raises UserError if the run has ended, but for a crash.
    """
    return _ask(run, "stop", "stopped", "finishes its step, saves and ends")


def resume(run: Run) -> str:
    """Goes on where the last checkpoint was saved. Raises UserError if the run is running or has finished."""
    status = _existing(run)
    if status.state == "running" and is_elsewhere(status):
        refuse_if_it_runs_elsewhere(run.folder, status)
    elif status.state == "running":
        raise StateChanged(f"Run {run.id} is running already.")
    if status.state == "finished":
        raise StateChanged(f"Run {run.id} has finished; start a new one with `vitbench train`.")
    if status.state == "diverged":
        raise StateChanged(f"Run {run.id} diverged and would again; start a new one with a smaller optim.lr.")
    if launch(run) is None:
        return f"waits. {run.status().waits_for or 'All GPUs are in use.'}".rstrip(".")
    return "goes on from its last checkpoint" if run.checkpoints() else "starts from its beginning"


def kill(run: Run, patience: float = 10.0) -> str:
    """Ends every process of the run with SIGKILL and returns when they are gone; the last checkpoint stays.

    The worker's group goes first, then whatever else of this user carries the mark of the run's folder: loader
    processes and ranks may live in groups of their own. A copy of the folder has another mark. Raises UserError if the
    run is running on another machine or another user's, or if its processes do not end.
    """
    status = _existing(run)
    if status.slurm_job and (waits_in_slurm(status) or status.state == "running"):
        slurm.cancel(status.slurm_job, at_once=True)
        patience = max(patience, _PATIENCE_WITH_SLURM)
    elif status.state == "running" and is_elsewhere(status):
        refuse_if_it_runs_elsewhere(run.folder, status)
    if status.state == "running":
        with suppress(OSError, UserError):  # for whoever looks meanwhile; a full disk is no obstacle
            leave_request(run, "kill")
    try:
        return _end_processes(run, patience, struck=bool(status.slurm_job))
    finally:
        with suppress(OSError):
            run.acknowledged("kill")


def _end_processes(run: Run, patience: float, struck: bool) -> str:
    """Kills until nothing of the run lives. `struck` says whether somebody else, SLURM, kills it too."""
    deadline = time.monotonic() + patience
    while True:
        struck |= _strike(run)
        with _opened_lock(run) as lock:
            if lock.acquire(patience=0.05) and not _processes(run) and not _lives_in_slurm(run):
                return _killed(run, lock, struck)
        if time.monotonic() > deadline:
            left = _processes(run)
            if left:
                raise UserError(f"Processes {left} of run {run.id} do not end; they may hang in the kernel.")
            raise UserError(f"Run {run.id} is held by a process that is not to be found, or another user's.")


def wait(run: Run, timeout: float | None = None, progress: Progress = silent) -> Status:
    """Waits until no worker holds the run any more, and returns its status.

    Raises RunGone if the run is deleted meanwhile.
    """
    began = time.monotonic()
    while True:
        status = _existing(run)
        if status.state != "running" and not status.is_waiting and not is_held(run.folder):
            return status
        if timeout is not None and time.monotonic() - began > timeout:
            return status
        if status.is_waiting:
            attend(Store(run.store_folder), [(run, status)])
        progress(status.step, status.total_steps, "training")
        time.sleep(0.1)


def _ask(run: Run, request: str, outcome: State, asked: str) -> str:
    """Changes the state of a run that nobody holds, or leaves a request for its worker."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        status = _existing(run)
        if status.state in ENDED and (status.state, outcome) != ("crashed", "stopped"):
            if status.state == "crashed":
                raise StateChanged(
                    f"Run {run.id} has crashed; `vitbench resume {run.id}` goes on from its last checkpoint."
                )
            raise StateChanged(f"Run {run.id} is {status.state} already.")
        if status.state == "running":
            if leave_request(run, request):
                return asked
            continue
        with _opened_lock(run) as lock:
            if lock.acquire(patience=0.0):
                state = note_crash(run, lock, by="person").state
                if is_allowed("person", state, outcome):
                    transition(run, state, outcome, by="person", lock=lock)
                    if waits_in_slurm(status):
                        slurm.cancel(status.slurm_job)
                    return f"is {outcome}"
                if state == outcome:
                    return f"is {outcome} already"
                continue
        # It is being started, or its worker has left and not yet ended: in an instant the state says which.
        if time.monotonic() > deadline:
            raise UserError(f"Run {run.id} is {status.state}, but another process holds it; try again in a moment.")
        time.sleep(0.02)


@contextmanager
def _opened_lock(run: Run) -> Iterator[RunLock]:
    """The run's lock, open and not yet taken; it is given back at the end. Raises RunGone if the folder is."""
    lock: RunLock | None = None
    try:
        lock = RunLock(run.folder)
        yield lock
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunGone(f"Run {run.id} has been deleted.") from error
    finally:
        if lock is not None:
            lock.release()


def _lives_in_slurm(run: Run) -> bool:
    status = read_status(run.folder)
    return status.state == "running" and bool(status.slurm_job) and bool(slurm.has_nodes(status.slurm_job))


def _processes(run: Run) -> list[int]:
    return [pid for pid in marked_processes(run.folder) if pid != os.getpid()]


def _existing(run: Run) -> Status:
    """The status of a run. Raises RunGone if its folder has been deleted."""
    status = run.status()
    if not (run.folder / "status.json").exists():
        raise RunGone(f"Run {run.id} has been deleted.")
    return status


def _strike(run: Run) -> bool:
    """Sends SIGKILL to all processes of a run; whether there was one."""
    status = read_status(run.folder)
    struck = False
    process = status.process
    if process is not None and process.pid != os.getpid() and is_held(run.folder) and process_lives(run.folder, status):
        group = _signal(run, lambda: os.killpg(process.pid, signal.SIGKILL))
        struck = group or _signal(run, lambda: os.kill(process.pid, signal.SIGKILL))
    for pid in _processes(run):
        struck |= _signal(run, partial(os.kill, pid, signal.SIGKILL))
    return struck


def _killed(run: Run, lock: RunLock, struck: bool) -> str:
    """Writes down how a run stands whose processes are gone; `lock` is held."""
    status = read_status(run.folder)
    if status.state == "running":
        if not struck:
            run.acknowledged("kill")
            note_crash(run, lock, by="person")
            return "had crashed already"
        transition(run, "running", "stopped", by="person", lock=lock, error=KILLED)
        return "is stopped: killed by hand"
    if status.state == "queued":
        transition(run, "queued", "stopped", by="person", lock=lock, error=KILLED)
        return "is stopped: it will not be started"
    if struck and (status.state, status.error) == ("stopped", KILLED):
        return "is stopped: killed by hand"  # somebody who looked has written it down
    return f"is {status.state}: nothing of it was running"


def _signal(run: Run, send: Callable[[], None]) -> bool:
    """Whether there was a process to send to. Raises UserError if it is another user's."""
    try:
        send()
    except ProcessLookupError:
        return False  # it had ended already
    except PermissionError as error:
        raise UserError(f"Run {run.id} belongs to another user, who alone can kill it.") from error
    return True
