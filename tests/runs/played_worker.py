"""A worker that lives as a real one does, and whose training only counts: `python -m tests.runs.played_worker FOLDER`.

Without torch, so that it starts in an instant. It trains until it is asked to leave.
"""

import sys
import time
from pathlib import Path

from vitbench.runs.log import RunLog
from vitbench.runs.states import State
from vitbench.runs.store import Run
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Outcome
from vitbench.training.worker import live


def command(run: Run) -> list[str]:
    """The command with which the launcher starts it."""
    return [sys.executable, "-m", "tests.runs.played_worker", str(run.folder)]


def count(run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, outcome: Outcome) -> State:
    """A step every hundredth of a second, at most a minute long."""
    control.interval = 0.01
    for step in range(1, 6000):
        heartbeat.update(step=step, total_steps=6000, doing=None)
        request = control.asked()
        if request in ("pause", "stop"):
            return "paused" if request == "pause" else "stopped"
        time.sleep(0.01)
    return "finished"


if __name__ == "__main__":
    sys.exit(live(Path(sys.argv[1]), count))
