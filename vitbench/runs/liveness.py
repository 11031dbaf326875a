"""Whether a run that says it is running has a worker."""

from pathlib import Path

from vitbench.runs.lock import is_locked
from vitbench.runs.process import is_alive, is_local, mark_of, mark_of_process, this_host
from vitbench.runs.status import HeartbeatWatch, Status

_WATCH = HeartbeatWatch()


def is_elsewhere(status: Status) -> bool:
    """Whether a run was started on another machine, whose processes and locks cannot be asked from here."""
    if status.process is not None:
        return not is_local(status.process)
    return status.host not in ("", this_host())


def has_worker(folder: Path, status: Status) -> bool:
    """Whether a running run has a worker, or one that is just being started.

    On this machine only while the lock of this very folder is held: a copy of the folder has a lock of its own. On
    another machine while its heartbeat advances.
    """
    if is_elsewhere(status):
        return _WATCH.is_alive(folder, status.heartbeat)
    held = is_locked(folder / "run.lock")
    if status.process is None:
        return held is True
    return held is not False and process_lives(folder, status)


def process_lives(folder: Path, status: Status) -> bool:
    """Whether the process that a status names lives on this machine, and was not started for another folder."""
    if status.process is None or not is_local(status.process) or not is_alive(status.process):
        return False
    try:
        return mark_of_process(status.process.pid) in (None, mark_of(folder))
    except OSError:
        return False
