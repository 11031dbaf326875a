"""Starts workers that outlive whoever started them."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from vitbench.errors import UserError
from vitbench.runs.lock import is_held
from vitbench.runs.process import MARK
from vitbench.runs.store import Run


def launch(run: Run, command: Sequence[str] | None = None) -> int:
    """Starts the worker of `run` in a session of its own, and returns its pid.

    What it prints goes to `worker.log`. Raises UserError if the run has a worker already.
    """
    if is_held(run.folder):
        raise UserError(f"Run {run.id} is running already.")
    run.obeyed()
    with (run.folder / "worker.log").open("ab") as output:
        process = subprocess.Popen(
            command or [sys.executable, "-m", "vitbench.training.worker", str(run.folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, MARK: run.id},
        )
    return process.pid


def wait_until_taken(run: Run, pid: int, timeout: float = 60.0) -> None:
    """Waits until the worker holds the run, or has ended, or `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not is_held(run.folder):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.05)
