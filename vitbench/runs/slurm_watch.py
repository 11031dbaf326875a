"""Keeps what runs that wait in SLURM say of themselves true; done by whoever looks at the store."""

import time
from collections.abc import Sequence
from contextlib import suppress

from vitbench.errors import UserError
from vitbench.runs.slurm import Job, jobs_of, marker, reason
from vitbench.runs.status import Status
from vitbench.runs.store import Run
from vitbench.runs.transition import change_queue, transition

_FRESH = 20.0
"""Seconds after its submission, or its return to the queue, in which a job need not be in squeue's answer."""


def watch_slurm(waiting: Sequence[tuple[Run, Status]]) -> None:
    """Writes down why each run waits. One whose job is gone is submitted again if its job asked for that, else failed.

    Nothing changes where SLURM cannot be asked: on a machine without it, or while its controller is down.
    """
    found = jobs_of(status.slurm_job for _, status in waiting) if waiting else None
    if found is None:
        return
    for run, status in waiting:
        with suppress(UserError, OSError):  # it was changed meanwhile, or its disk is full: the next look tries again
            _watch(run, status, found.get(status.slurm_job))


def _watch(run: Run, status: Status, job: Job | None) -> None:
    if job is not None:
        words = reason(status.slurm_job, job)
        if words != status.waits_for:
            change_queue(run, waits_for=words)
    elif time.time() - (status.queued_at or 0.0) <= _FRESH:
        return
    elif marker(run).exists():
        from vitbench.runs.launcher import launch

        marker(run).unlink(missing_ok=True)
        launch(run)
    else:
        transition(
            run,
            "queued",
            "failed",
            by="scheduler",
            where=lambda now: now.is_waiting and now.slurm_job == status.slurm_job,
            error=f"SLURM no longer has job {status.slurm_job}: cancelled there? Resume the run to submit it anew.",
        )
