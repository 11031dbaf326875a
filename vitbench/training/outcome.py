"""How the work of a worker ended, whatever ended it, and what is written down of it."""

import errno
import sys
import time
import traceback
from types import TracebackType
from typing import Literal, Self

from vitbench.errors import UserError
from vitbench.runs.launcher import MENDABLE
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import this_process
from vitbench.runs.states import State
from vitbench.runs.store import Run
from vitbench.runs.transition import transition
from vitbench.training.heartbeat import Heartbeat

_STATES: dict[str, State] = {"pause": "paused", "stop": "stopped"}


class Interrupted(Exception):
    """Asked to leave in the middle of something long."""

    def __init__(self, request: Literal["pause", "stop"]) -> None:
        super().__init__(request)
        self.request = request


class Diverged(Exception):
    """A loss or a gradient is NaN or infinite."""

    def __init__(self, step: int, what: str, value: float) -> None:
        super().__init__(f"The {what} became {value} at step {step:,}")
        self.step = step


class SmallerBatch(Exception):
    """Memory ran out in one of several processes: all of them are to begin again with a smaller batch."""

    def __init__(self, batch_size: int, accumulate: int) -> None:
        super().__init__(f"{batch_size} pictures per batch")
        self.batch_size, self.accumulate = batch_size, accumulate


class FolderGone(Exception):
    """The folder of the run was deleted or moved while it ran, or another worker has taken it."""


class Outcome:
    """Writes into status and log how the work inside ended. The run's state changes here for the last time."""

    def __init__(self, run: Run, lock: RunLock, heartbeat: Heartbeat, log: RunLog) -> None:
        self.run, self.lock, self.heartbeat, self.log = run, lock, heartbeat, log
        self.state: State = "finished"
        self.error: str | None = None
        self.code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self.state, self.error, self.code = judge(self.run, error)
        self.heartbeat.stop()
        if not self.lock.keep():
            self._leave_moved_folder()
            return isinstance(error, Exception)
        try:
            # First what is kept short and replaced: where the log has no more room, this may have.
            self._write(self.run)
            level = "info" if self.error is None else "error"
            self.log.write(self.heartbeat.progress.step, level, self.error or f"The run is {self.state}.")
        except (OSError, UserError) as problem:
            # Nothing more can be written on this disk; without a process the run will read as crashed.
            print(f"The outcome could not be written ({problem}): {self.state}. {self.error or ''}", file=sys.stderr)
        return isinstance(error, Exception)

    def _write(self, run: Run) -> None:
        me = this_process()
        facts = {**dict(self.heartbeat.progress), "doing": None, "eta_seconds": None, "error": self.error}
        written = transition(
            run, "running", self.state, by="worker", where=lambda status: status.process == me, lock=self.lock, **facts
        )
        self.state = written.state

    def _leave_moved_folder(self) -> None:
        """A folder that was deleted stays deleted; in one that was moved the run can be resumed where it is now."""
        self.code = 1
        now = self.lock.folder_now()
        print(f"{time.strftime('%F %T')} The folder of this run is gone: {self.run.folder}", file=sys.stderr)
        if now is None or now.name.startswith(".") or now == self.run.folder:
            return
        self.state = "failed"
        self.error = f"Its folder was moved while it ran, from {self.run.folder}; resume it here."
        try:
            self._write(Run(now))
        except (OSError, UserError) as problem:
            print(f"The outcome could not be written ({problem}).", file=sys.stderr)


def judge(run: Run, error: BaseException) -> tuple[State, str | None, int]:
    """The state in which an error leaves a run, the error in words, and the exit code of its process."""
    state, words = _judged(run, error)
    return state, words, MENDABLE if isinstance(error, UserError) else int(words is not None)


def _judged(run: Run, error: BaseException) -> tuple[State, str | None]:
    if isinstance(error, Interrupted):
        return _STATES[error.request], None
    if isinstance(error, Diverged):
        last = max((entry.step for entry in run.checkpoints()), default=None)
        kept = (
            f"the last good checkpoint is that of step {last:,}" if last is not None else "there is no checkpoint yet"
        )
        return "diverged", f"{error}; {kept}. A smaller optim.lr, a longer warm-up or train.clip may help."
    if isinstance(error, UserError):
        return "failed", str(error)
    if isinstance(error, FolderGone):
        return "failed", str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = error.filename or run.folder
        return "failed", f"{where} cannot be written ({error.strerror}): make room in the store and resume the run."
    traceback.print_exception(error)
    return "failed", f"{type(error).__name__}: {error} (worker.log has the details)"
