"""Whether a run that says it is running has a worker."""

import time
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.runs.lock import is_shared
from vitbench.runs.process import is_alive, is_local, mark_of, mark_of_process, marked_processes, this_host
from vitbench.runs.slurm import has_nodes
from vitbench.runs.status import HeartbeatWatch, Status, read_status
from vitbench.text import shortened

_WATCH = HeartbeatWatch()


def is_elsewhere(status: Status) -> bool:
    """Whether a run was started on another machine, whose processes and locks cannot be asked from here."""
    if status.process is not None:
        return not is_local(status.process)
    return status.host not in ("", this_host())


def has_worker(folder: Path, status: Status) -> bool:
    """Whether a running run has a worker, or one that is just being started.

    On this machine only while the lock of this very folder is held: a copy of the folder has a lock of its own. On
    another machine while SLURM says so, where it has a job there, else while its
    heartbeat advances. A lock that a copy by hard links shares says nothing of this folder:
    there the worker that has not spoken yet is looked for by its mark.
    """
    if is_elsewhere(status):
        told = has_nodes(status.slurm_job) if status.slurm_job else None
        return _WATCH.is_alive(folder, status.heartbeat) if told is None else told
    held = is_locked(folder / "run.lock")
    if status.process is None:
        return held is True and not (is_shared(folder / "run.lock") and not marked_processes(folder))
    return held is not False and process_lives(folder, status)


def refuse_if_it_runs_elsewhere(folder: Path, status: Status) -> None:
    """Raises UserError if a running run has a worker on another machine; watches its heartbeat until that is known.

    A worker beats about once a second. One that does not for two minutes is taken for dead.
    """
    host = status.process.host if status.process is not None else status.host
    while has_worker(folder, status):
        time.sleep(0.2)
        again = read_status(folder)
        if again.heartbeat != status.heartbeat or again.state != "running":
            name = shortened(folder.name)
            raise UserError(f"Run {name} is running on {host}; use vitbench there.")


def process_lives(folder: Path, status: Status) -> bool:
    """Whether the process that a status names lives on this machine, and was not started for another folder."""
    if status.process is None or not is_local(status.process) or not is_alive(status.process):
        return False
    try:
        return mark_of_process(status.process.pid) in (None, mark_of(folder))
    except OSError:
        return False
