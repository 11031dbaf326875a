"""What runs inside a SLURM job: the run's worker, which is asked to save and leave before SLURM takes the nodes away.

SLURM sends SIGTERM to every process of a job that it preempts, and kills them KillWait seconds later; before the time
limit it sends SIGUSR2, MARGIN seconds ahead. The worker answers SIGTERM by saving; its loader processes ignore it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitbench.runs.store import Run

MARGIN = 120
"""Seconds before the time limit at which a run is asked to save; a third of shorter limits."""
IN_JOB = "VITBENCH_SLURM_JOB"
"""The environment variable in which a job tells its worker the id of the job."""
LEFT = 75
"""The exit code of a worker in a job that saved and left because of a signal, and not because a person asked."""


class TrainRun:
    """The function of a job, which submitit pickles. One task a node; that of the first node has the run's worker."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._worker: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "_worker": None}

    def __call__(self) -> str:
        """Runs the worker to its end; how it ended."""
        from vitbench.runs.process import MARK, mark_of
        from vitbench.runs.slurm import marker, own_job
        from vitbench.runs.store import Run

        run, first = Run(Path(self.folder)), os.environ.get("SLURM_PROCID", "0") == "0"
        if first:
            marker(run).unlink(missing_ok=True)  # the job that left it has been requeued
            if not may_start(run, own_job()):
                return f"not started: the run is {run.status().state}"
        module = "vitbench.training.worker" if first else "vitbench.training.elastic"
        self._worker = subprocess.Popen(
            [sys.executable, "-m", module, self.folder],
            env={**os.environ, **rendezvous(), IN_JOB: own_job(), MARK: mark_of(run.folder)},
            preexec_fn=_ignore_notice,
        )
        return f"the worker ended with {_exit_code(self._worker)}"

    def checkpoint(self) -> Any:
        """Called by submitit at SIGUSR2, before the time limit: the worker saves, and the job is requeued.

        Where it is not (a compute node without scontrol, a worker that left too late), a login node submits it again.
        """
        import submitit

        from vitbench.runs.slurm import marker
        from vitbench.runs.store import Run

        run = Run(Path(self.folder))
        if self._worker is not None:
            marker(run).parent.mkdir(exist_ok=True)
            marker(run).touch()
            self._worker.terminate()
            if _exit_code(self._worker) == LEFT:
                if shutil.which("scontrol") is None:
                    os._exit(0)
            elif run.status().state != "queued":
                marker(run).unlink(missing_ok=True)
                os._exit(0)  # it has ended by itself meanwhile: nothing is left to do
        return submitit.helpers.DelayedSubmission(self)


def may_start(run: "Run", job: str, patience: float = 30.0) -> bool:
    """Whether a job that SLURM has started is still that of the run, and nobody has paused or stopped it meanwhile.

    SLURM may be quicker than who submitted it, and has not yet written down the job's id.
    """
    deadline = time.monotonic() + patience
    while (status := run.status()).slurm_job != job and time.monotonic() < deadline:
        time.sleep(0.2)
    return status.slurm_job == job and (status.is_waiting or status.state in ("running", "crashed"))


def wait_again(run: "Run", job: str) -> None:
    """Says that a run which has saved and left waits for SLURM again."""
    from vitbench.errors import UserError
    from vitbench.runs.slurm import SLURM
    from vitbench.runs.transition import transition

    waits = f"SLURM took the nodes of job {job} back; it goes on from its last checkpoint when it has some again."
    try:
        transition(
            run,
            "paused",
            "queued",
            by="launcher",
            queued_at=time.time(),
            queued_for=[SLURM],
            waits_for=waits,
            slurm_job=job,
        )
    except (UserError, OSError) as error:
        print(f"{time.strftime('%F %T')} {error}", file=sys.stderr)


def rendezvous() -> dict[str, str]:
    """Where the agents of several nodes meet: the first node, at a port that follows from the job's number."""
    nodes = os.environ.get("SLURM_JOB_NODELIST", "")
    if os.environ.get("SLURM_JOB_NUM_NODES", "1") == "1" or not nodes:
        return {}
    from submitit.slurm.slurm import SlurmJobEnvironment

    number = int(os.environ.get("SLURM_JOB_ID", "0"))
    again = os.environ.get("SLURM_RESTART_COUNT", "0")
    return {
        "VITBENCH_RENDEZVOUS": f"{SlurmJobEnvironment().hostnames[0]}:{20000 + number % 20000}",
        "VITBENCH_RENDEZVOUS_ID": f"{number}-{again}",
    }


def _exit_code(process: "subprocess.Popen[bytes]") -> int:
    """The exit code of a process, once it has ended; minus the signal that ended it.

    SIGUSR2 comes while this waits, and its handler waits too: Popen.wait would wait for its own lock there, for ever.
    """
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _ignore_notice() -> None:
    """SIGUSR2 is for this process alone, and would end its children."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
