"""The process that trains: `python -m vitbench.training.worker RUN_FOLDER`.

It takes the run's lock, writes its status from the first moment on, trains (`work.py`), and says how it ended. It may
be killed at any instant; started again, it goes on from the last checkpoint.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from vitbench.errors import UserError
from vitbench.runs.launcher import mark_started
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import MARK, mark_of, this_process
from vitbench.runs.queue import attend
from vitbench.runs.slurm_job import IN_JOB, LEFT, wait_again
from vitbench.runs.states import State
from vitbench.runs.status import Status, read_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import StateChanged, transition
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.open_task import OpenTask, open_recipe_task
from vitbench.training.outcome import Outcome

Work = Callable[[Run, Control, Heartbeat, RunLog, Outcome], State]
"""What a worker does; the state in which the run is left."""


def main(folder: Path, opening: "OpenTask | None" = None) -> int:
    """Trains the run in `folder` to its end. The exit code is that of `live`.

    `opening` gives another task than the one that the recipe names.
    """

    def train_run(run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, outcome: Outcome) -> State:
        if run.recipe().launch.world > 1:
            from vitbench.training.elastic import lead

            return lead(run, control, heartbeat, outcome)
        # torch takes seconds to import; the heartbeat beats already.
        from vitbench.training.work import work

        return work(run, control, heartbeat, log, opening or open_recipe_task)

    return live(folder, train_run)


def live(folder: Path, work: Work) -> int:
    """The life of a worker around its work: takes the run, says that it runs, beats, and says how it ended.

    The exit code is 0 unless it failed, diverged, or is running elsewhere: MENDABLE (2) where a person can mend the
    cause, and the run's error is the sentence that says how; else 1.
    """
    run = Run(folder)
    control = Control(run)
    mark = os.environ.get(MARK)
    with control.listening():  # before anybody can see that the run is running, and ask its process to pause
        try:
            return _live(run, control, work)
        finally:  # what this process starts later belongs to another run, or to none
            os.environ.pop(MARK, None)
            if mark is not None:
                os.environ[MARK] = mark


def _live(run: Run, control: Control, work: Work) -> int:
    try:
        lock, progress = _take(run)
    except (UserError, OSError) as error:
        print(f"{time.strftime('%F %T')} {error}", file=sys.stderr)
        return 1
    os.environ[MARK] = mark_of(run.folder)
    control.lock = lock
    log = RunLog(run.log)
    heartbeat = Heartbeat(run.folder, progress, at_each_beat=lock.keep)
    with Outcome(run, lock, heartbeat, log) as outcome:
        heartbeat.doing("starting")
        heartbeat.start()
        outcome.state = work(run, control, heartbeat, log, outcome)
    code = outcome.code
    if (job := os.environ.get(IN_JOB)) and control.is_signalled and outcome.state == "paused":
        wait_again(run, job)  # at once: SLURM takes the nodes back, and the job is to go on later
        code = LEFT
    store = Store(run.store_folder)
    attend(store, [(other, read_status(other.folder)) for other in store.runs()])
    return code


def _take(run: Run) -> tuple[RunLock, Status]:
    """Takes the run, which a launcher may have done for us, and writes our name into its status."""
    lock = RunLock.of_worker(run.folder)
    was_handed_over = lock.is_handed_over
    if not lock.acquire():
        raise StateChanged(f"Run {run.id} is running already.")
    if not was_handed_over:
        mark_started(run, lock)
    started_at = read_status(run.folder).started_at or time.time()
    status = transition(
        run, "running", "running", by="worker", lock=lock, process=this_process(), started_at=started_at
    )
    return lock, status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
