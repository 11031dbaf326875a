"""One of several processes that train a run: `python -m vitbench.training.rank RUN_FOLDER`, started by torch elastic.

It dies with its agent, and tells how the run ended by a file (see `vitbench.training.elastic`). Signals are the agent's
business: this process ignores them, and is asked to leave by its agent or by the run folder.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.runs.children import die_with_parent
from vitbench.runs.log import RunLog
from vitbench.runs.process import MARK, mark_of
from vitbench.runs.status import read_status
from vitbench.runs.store import Run
from vitbench.training.control import Control, Request
from vitbench.training.elastic import (
    FOLDER,
    LEAVE,
    RanksOutcome,
    read_outcome,
    take_own_gpu,
    write_batch,
    write_outcome,
)
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import FolderGone, SmallerBatch, judge

if TYPE_CHECKING:
    from vitbench.training.open_task import OpenTask

AGAIN = 75
"""The exit code that asks for another start of all processes (EX_TEMPFAIL)."""


class RankControl(Control):
    """As Control, without signals: the agent leaves a file where it was asked to leave. Rank 0 reads the run folder."""

    def __init__(self, run: Run, rank: int, mark: str | None) -> None:
        super().__init__(run)
        self._reads_folder, self._mark = rank == 0, mark
        self._leave = Path(os.environ.get(LEAVE, os.devnull + "/none"))

    def asked(self) -> Request | None:
        """As Control; raises FolderGone where rank 0 says so."""
        if self._leave.exists():
            return "pause"
        if not self._reads_folder:
            return None
        if not self.is_there():
            raise FolderGone(f"The folder {self.run.folder} is gone.")
        return super().asked()

    def is_there(self) -> bool:
        """Whether the folder is the one for which this process was started."""
        try:
            return self._mark in (None, mark_of(self.run.folder))
        except OSError:
            return False


class QuietLog(RunLog):
    """The log of a process that is not the first: what it would write, rank 0 writes."""

    def write(self, step: int, level: str, text: str) -> None:
        """Nothing."""


def main(folder: Path, opening: "OpenTask | None" = None) -> int:
    """Trains as one of several. 0 when the run has an outcome and this process has nothing to add to it."""
    die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    run, rank = Run(folder), int(os.environ["RANK"])
    control = RankControl(run, rank, os.environ.get(MARK))
    if not control.is_there():
        print(f"rank {rank}: {folder} is not the folder for which this process was started", file=sys.stderr)
        return 0
    if read_outcome(run) is not None:
        return 0
    take_own_gpu()
    log = RunLog(run.log) if rank == 0 else QuietLog(run.log)
    heartbeat = Heartbeat(run.folder / FOLDER, read_status(run.folder))
    if rank == 0:
        heartbeat.doing("starting")
        heartbeat.start()
        if again := int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")):
            log.write(
                heartbeat.progress.step,
                "warning",
                f"A process of the run ended; all were started again ({again}).",
            )
    try:
        return _train(run, control, heartbeat, log, opening)
    finally:
        if rank == 0:
            heartbeat.stop()
            with suppress(OSError):  # the folder is gone, or the disk full
                heartbeat.write()


def _train(run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, opening: "OpenTask | None") -> int:
    from vitbench.training.distributed import is_loss_of_others
    from vitbench.training.open_task import open_recipe_task
    from vitbench.training.work import work

    try:
        state = work(run, control, heartbeat, log, opening or open_recipe_task, joined=True)
    except SmallerBatch as smaller:
        write_batch(run, smaller.batch_size, smaller.accumulate)
        return AGAIN
    except FolderGone:
        return 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the agent has to be told
        if is_loss_of_others(error):
            print(f"rank {os.environ['RANK']}: another process is gone: {error}", file=sys.stderr)
            return AGAIN
        outcome = RanksOutcome(*judge(run, error))
        write_outcome(run, outcome)
        return max(1, outcome.code)  # the agent ends the others, which may wait for this one
    if int(os.environ["RANK"]) == 0:
        write_outcome(run, RanksOutcome(state, None, 0))
    return 0


if __name__ == "__main__":
    ended_with = main(Path(sys.argv[1]))
    sys.stderr.flush()
    os._exit(ended_with)  # torch takes seconds to take itself apart, and all that counts is on the disk
