"""The one writer of run states: every command, screen, scheduler, launcher and worker changes them through here."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from vitbench.errors import UserError
from vitbench.files.writing import clear_folder
from vitbench.runs.liveness import has_worker, is_elsewhere, process_lives
from vitbench.runs.lock import FileLock, RunLock
from vitbench.runs.notify import tell_of_end
from vitbench.runs.process import this_host
from vitbench.runs.states import ENDED, Actor, State, is_allowed
from vitbench.runs.status import Status, parse_status, read_status, status_file, write_status
from vitbench.runs.store import Run, first_status

_PATIENCE = 20.0
"""Seconds to wait for `state.lock`, which is held for one write; a slow disk takes a few."""


class StateChanged(UserError):
    """The run is not in a state from which it can be changed so: somebody else was quicker."""


class RunBusy(UserError):
    """Another process holds a lock of the run for longer than it should."""


class RunGone(UserError):
    """The folder of the run has been deleted or moved."""


def transition(
    run: Run,
    expected: State | Collection[State],
    new: State,
    *,
    by: Actor,
    where: Callable[[Status], bool] = lambda status: True,
    lock: RunLock | None = None,
    **facts: object,
) -> Status:
    """Changes the state of `run` into `new` if it is one of the `expected`, and returns the status that now stands.

    `where` may ask for more of the status that is there. `facts` are further fields of the status; what the new state
    implies (times, no process, no GPUs) need not be given. Whoever holds the run's lock gives it as `lock`, and then
    temporary files that killed processes left in the folder are removed. Requests of the time before are taken away
    when a run starts, and when its worker leaves it; a worker that pauses is stopped if that was asked for, too. What
    ended by itself is told to its owner (`notify`).

    Raises StateChanged if the run is in another state, RunGone if its folder is, RunBusy, and OSError (a full disk; the
    old state stands). Raises ValueError for a change that `states.TRANSITIONS` does not allow.
    """
    states = (expected,) if isinstance(expected, str) else tuple(expected)
    for state in states:
        if not is_allowed(by, state, new):
            raise ValueError(f"{by} may not change {state} into {new}")
    with state_lock(run):
        status = _readable_status(run, by)
        if status.state not in states or not where(status):
            raise StateChanged(f"Run {run.id} is {status.state} meanwhile; nothing was changed.")
        if (by, new) == ("worker", "paused") and "stop" in run.requests():
            new = "stopped"  # who asked while the worker was pausing was told that the run ends
        starts = new == "running" and by == "launcher"
        status = status.model_copy(update={**_implied(new, starts), **facts, "state": new})
        if starts or new != "running":
            run.acknowledged()  # before the state: whoever is killed in between leaves no request behind
        write_status(run.folder, status)
        if lock is not None:
            clear_folder(run.folder)
    if by in ("worker", "scheduler"):
        tell_of_end(run, status)
    return status


def rename(run: Run, name: str) -> None:
    """Gives a run another name, whatever its state. Raises RunGone, RunBusy, and OSError."""
    with state_lock(run):
        status = _readable_status(run, "person")
        write_status(run.folder, status.model_copy(update={"name": name}))


def change_queue(run: Run, **facts: object) -> Status:
    """Changes how a run waits: `held`, `after`, `queued_at`, `waits_for`. Raises StateChanged if it does not wait."""
    with state_lock(run):
        status = parse_status(run.folder)
        if not status.is_waiting:
            raise StateChanged(f'"{status.name or run.id}" does not wait in the queue; it is {status.state}.')
        changed = status.model_copy(update=facts)
        write_status(run.folder, changed)
        return changed


def leave_request(run: Run, request: str) -> bool:
    """Asks the worker for something if the run is running, so that no request outlives the worker that it is for."""
    with state_lock(run):
        if parse_status(run.folder).state != "running":
            return False
        run.request(request)
        return True


def note_crash(run: Run, lock: RunLock, by: Actor) -> Status:
    """Writes down that a run crashed, or was killed by hand, if it says that it runs; the caller holds `lock`, so
    nobody runs it.

    Raises UserError if it runs on another machine, or if its worker lives on without its lock.
    """
    status = read_status(run.folder)
    if status.state != "running":
        return status
    if is_elsewhere(status) and has_worker(run.folder, status):
        host = status.process.host if status.process else status.host
        raise UserError(f"Run {run.id} is running on {host}; use vitbench there.")
    if process_lives(run.folder, status):
        assert status.process is not None
        raise StateChanged(f"Run {run.id} is running already, as process {status.process.pid}.")
    found = run.without_worker(status)
    ended_at = max(status.heartbeat, status.started_at or 0.0) or time.time()
    return transition(run, "running", found.state, by=by, lock=lock, error=found.error, ended_at=ended_at)


@contextmanager
def state_lock(run: Run, patience: float = _PATIENCE) -> Iterator[None]:
    """Holds the lock under which states are changed. Raises RunGone, and RunBusy after `patience` seconds."""
    try:
        lock = FileLock(run.folder / "state.lock")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunGone(f"Run {run.id} has been deleted.") from error
    try:
        try:
            taken = lock.acquire(patience)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunGone(f"Run {run.id} has been deleted.") from error
        if not taken:
            raise RunBusy(f"Another process has held {lock.file} for {patience:.0f} seconds; it may hang.")
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if run.folder.exists():
                raise
            raise RunGone(f"Run {run.id} has been deleted.") from error
    finally:
        lock.release()


def _implied(new: State, starts: bool) -> dict[str, object]:
    """The fields that a state brings with it."""
    unqueued: dict[str, object] = {"queued_at": None, "queued_for": [], "waits_for": None, "held": False, "after": []}
    if new == "running":
        began = {"process": None, "host": this_host(), "gpus": [], **unqueued}
        return {"error": None, "ended_at": None, **(began if starts else {})}
    left: dict[str, Any] = {"process": None, "gpus": [], "error": None, "eta_seconds": None, "doing": None}
    if new == "queued":
        return {**left, "host": this_host(), "ended_at": None}
    return {**left, **unqueued, "ended_at": time.time() if new in ENDED else None}


def _readable_status(run: Run, by: Actor) -> Status:
    """The status as it stands. What the recipe says takes the place of one that is lost, or damaged and set aside.

    To a worker a run without a status is deleted: it must not bring back a folder that is just being emptied.
    """
    file = status_file(run.folder)
    try:
        parse_status(run.folder)
        return read_status(run.folder)
    except FileNotFoundError as error:
        if by == "worker" or not (run.folder / "recipe.toml").is_file():
            raise RunGone(f"Run {run.id} has been deleted, or is not a run any more: it has no status.json.") from error
        return _status_of_recipe(run)
    except ValueError:
        status = _status_of_recipe(run)
        file.replace(file.with_name("status.json.damaged"))
        return status


def _status_of_recipe(run: Run) -> Status:
    status = read_status(run.folder)
    made = first_status(run.recipe(), created_at=status.created_at)
    return made.model_copy(update={"state": "crashed", "error": status.error})
