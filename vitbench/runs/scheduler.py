"""Gives free GPUs to the runs that wait for one: `python -m vitbench.runs.scheduler STORE`.

One process a store and machine, started by whoever sees a run that waits; it leaves when none does. It may be killed
at any instant: the queue is in the status of the runs, the GPUs are held by the workers, and the next one goes on.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from vitbench.errors import UserError
from vitbench.runs.detached import reap
from vitbench.runs.launcher import launch_queued
from vitbench.runs.lock import FileLock
from vitbench.runs.queue import (
    claimed_gpus,
    may_serve,
    place_of,
    say_at_work,
    scheduler_lock,
    waiting_runs,
    write_down_crash,
)
from vitbench.runs.status import read_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import RunBusy, RunGone, StateChanged, transition

_PAUSE = 1.0
"""Seconds between two polls; longer in a store so large that a poll takes a while."""

StartRun = Callable[..., int | None]
"""Called with a run, and with `claims` where others before it wait for several GPUs."""


class Scheduler:
    """Starts the waiting runs of one store; `start` starts one if a GPU is free for it."""

    def __init__(self, store: Store, start: StartRun = launch_queued, pause: float = _PAUSE) -> None:
        self.store, self.start, self.pause = store, start, pause
        self._said: dict[str, str] = {}

    def run(self) -> None:
        """Works until no run waits, or another scheduler is at work."""
        while True:
            try:
                lock = FileLock(scheduler_lock(self.store.folder))
            except OSError as error:  # the store is gone, or another's
                print(f"{time.strftime('%F %T')} {error}", file=sys.stderr, flush=True)
                return
            try:
                if not lock.acquire():
                    return
                say_at_work(lock)
                while waiting := self.poll():
                    say_at_work(lock)
                    began = time.monotonic()
                    self.dispatch(waiting)
                    time.sleep(max(self.pause, 10 * (time.monotonic() - began)))
            except FileNotFoundError:
                return
            finally:
                lock.release()
            # Whoever queued a run while the lock was still ours found a scheduler at work, and relies on it.
            if not self.poll():
                return

    def poll(self) -> list[Run]:
        """The runs that wait, the longest first; runs whose process is gone are written down as crashed."""
        reap()
        for run in self.store.runs():
            if read_status(run.folder).state == "running" and run.status().state == "crashed" and may_serve(run):
                write_down_crash(run)
        return [run for run in waiting_runs(self.store) if may_serve(run)]

    def dispatch(self, waiting: list[Run]) -> None:
        """Starts what can be started. A run that can never be is failed, with the reason."""
        seen = [(run, read_status(run.folder)) for run in waiting]
        several = [run for run, status in seen if status.needs_gpus > 1]
        for run, status in seen:
            try:
                now = [(other, read_status(other.folder)) for other in several]
                if claims := claimed_gpus(now, place_of(run, status)):
                    self.start(run, claims=claims)
                else:
                    self.start(run)
            except (StateChanged, RunGone, RunBusy):
                continue  # a person was quicker
            except UserError as error:
                self._fail(run, str(error))
            except OSError as error:  # a full disk, or a folder that vanished: it may be better at the next poll
                self._say(run, str(error))

    def _fail(self, run: Run, reason: str) -> None:
        try:
            transition(run, "queued", "failed", by="scheduler", where=lambda status: status.is_waiting, error=reason)
        except (UserError, OSError) as error:
            self._say(run, str(error))

    def _say(self, run: Run, problem: str) -> None:
        """A line in `scheduler.log`, once for the same problem of a run."""
        if self._said.get(run.id) != problem:
            self._said[run.id] = problem
            print(f"{time.strftime('%F %T')} {run.id}: {problem}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    Scheduler(Store(Path(sys.argv[1]))).run()
