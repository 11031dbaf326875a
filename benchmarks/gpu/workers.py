"""Processes that train. On a GPU they are launched as `vitbench train` does; without one they are forked, since each
start would cost seconds for nothing that differs."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from gpu.bench import Bench
from vitbench.recipe import Recipe
from vitbench.runs import control
from vitbench.runs.launcher import launch
from vitbench.runs.store import Run

_ENDED = ("failed", "crashed", "diverged", "finished", "stopped")


def start(bench: Bench, run: Run, *, again: bool = False) -> None:
    """Starts the worker of a run; `again` goes on with one that was killed."""
    if bench.has_gpu:
        control.resume(run) if again else launch(run)
    else:
        multiprocessing.get_context("fork").Process(target=_work, args=(run,)).start()
        if again:  # until the new worker has spoken, the run reads as the killed one left it
            until(lambda: run.status().state != "crashed")


def _work(run: Run) -> None:
    from vitbench.training.worker import main

    os.setsid()
    output = os.open(run.folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os._exit(main(run.folder))


def estimated(bench: Bench, recipe: Recipe) -> dict[str, Any]:
    """What the estimate before a launch says."""
    if bench.has_gpu:
        answer = subprocess.run(
            [sys.executable, "-m", "vitbench.training.estimate", str(bench.store)],
            input=recipe.to_toml(),
            capture_output=True,
            text=True,
            check=True,
        )
        values = json.loads(answer.stdout.splitlines()[-1])
        assert "refused" not in values, values["refused"]
        return dict(values)
    from vitbench.training.estimate import estimate

    return estimate(recipe, bench.store)


def until(condition: Callable[[], object], run: Run | None = None, seconds: float = 80.0) -> None:
    """Returns when `condition` holds; fails when it takes too long, or `run` has ended before."""
    deadline = time.monotonic() + seconds
    while not condition():
        if run is not None and (status := run.status()).state in _ENDED:
            if condition():
                return
            raise AssertionError(f"{run.id} is {status.state}: {status.error}")
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.02)


def ended(run: Run, seconds: float = 80.0) -> None:
    """Returns when the run has finished; fails when it ends otherwise."""
    until(lambda: run.status().state == "finished", run, seconds)
