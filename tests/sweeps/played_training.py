"""A worker whose validation accuracy follows from its recipe: `python -m tests.sweeps.played_training FOLDER`.

It lives, is stopped, killed and resumed as a real one; its checkpoint is the last step in a file.
"""

import math
import os
import sys
import time
from pathlib import Path

from vitbench.runs.event_writer import EventWriter
from vitbench.runs.log import RunLog
from vitbench.runs.states import State
from vitbench.runs.store import Run
from vitbench.training.control import Control
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Outcome
from vitbench.training.worker import live

STEPS = 20
PAUSE = float(os.environ.get("PLAYED_PAUSE", "0.01"))


def command(run: Run) -> list[str]:
    """The command with which the launcher starts it."""
    return [sys.executable, "-m", "tests.sweeps.played_training", str(run.folder)]


def accuracy(lr: float, optimizer: str, seed: int, step: int) -> float:
    """Best at lr = 1e-3 with adamw; rises over the steps."""
    height = 0.9 - 0.1 * abs(math.log10(lr) + 3) - (0.05 if optimizer != "adamw" else 0) + 0.001 * (seed % 7)
    return height * (1 - math.exp(-4 * step / STEPS))


def train(run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, outcome: Outcome) -> State:
    """A step every hundredth of a second; it goes on after the step that it has saved last."""
    control.interval = 0.01
    recipe, saved = run.recipe(), run.folder / "checkpoints" / "step"
    first = int(saved.read_text()) if saved.exists() else 0
    events = EventWriter(run.folder, first_step=first + 1)
    for step in range(first + 1, STEPS + 1):
        value = accuracy(recipe.optim.lr, recipe.optim.name, recipe.train.seed, step)
        events.scalars(step, {"validation/accuracy": value})
        events.flush()
        (saved.parent / "step.new").write_text(str(step))
        (saved.parent / "step.new").rename(saved)
        heartbeat.update(step=step, total_steps=STEPS, doing=None)
        request = control.asked()
        if request in ("pause", "stop"):
            return "paused" if request == "pause" else "stopped"
        time.sleep(PAUSE)
    return "finished"


if __name__ == "__main__":
    sys.exit(live(Path(sys.argv[1]), train))
