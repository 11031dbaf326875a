"""The process that trains: `python -m vitbench.training.worker RUN_FOLDER`.

It takes the run's lock, writes its status from the first moment on, trains, evaluates the test part, and says how it
ended. It may be killed at any instant; started again, it goes on from the last checkpoint.
"""

import errno
import os
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vitbench.errors import UserError
from vitbench.progress import Progress
from vitbench.runs.launcher import MENDABLE
from vitbench.runs.lease import bind_process
from vitbench.runs.lock import RunLock
from vitbench.runs.log import RunLog
from vitbench.runs.process import MARK, this_process
from vitbench.runs.status import read_status
from vitbench.runs.store import Run
from vitbench.training.control import Control, Interrupted
from vitbench.training.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from vitbench.recipe import Recipe
    from vitbench.training.monitor import Monitor
    from vitbench.training.state import Training
    from vitbench.training.task import Task

    OpenTask = Callable[[Run, Any, Progress], tuple[Any, str]]

_OUTCOMES = {"pause": "paused", "stop": "stopped"}


class Ending:
    """Writes into status and log how the work inside ended, whatever ended it."""

    def __init__(self, run: Run, heartbeat: Heartbeat, log: RunLog) -> None:
        self.run, self.heartbeat, self.log = run, heartbeat, log
        self.state = "finished"
        self.error: str | None = None
        self.code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self.state, self.error = self._judge(error)
            self.code = MENDABLE if isinstance(error, UserError) else int(self.error is not None)
        level = "info" if self.error is None else "error"
        paused = self.state == "paused"
        try:
            # First what is kept short and replaced: where the log has no more room, this may have.
            self.heartbeat.stop(
                state=self.state,
                error=self.error,
                doing=None,
                process=None,
                eta_seconds=None,
                gpus=[],
                ended_at=None if paused else time.time(),
            )
            self.log.write(self.heartbeat.status.step, level, self.error or f"The run is {self.state}.")
        except OSError as full:
            # Nothing more can be told on this disk; without a process the run will read as crashed.
            print(f"The ending could not be written ({full}): {self.state}. {self.error or ''}", file=sys.stderr)
        self.run.obeyed()
        return isinstance(error, Exception)

    def _judge(self, error: BaseException) -> tuple[str, str | None]:
        if isinstance(error, Interrupted):
            return _OUTCOMES[error.request], None
        if type(error).__name__ == "Diverged":
            last = max((entry.step for entry in self.run.checkpoints()), default=None)
            kept = f"the last good checkpoint is of step {last}" if last is not None else "there is no checkpoint yet"
            return "diverged", f"{error}; {kept}. A smaller optim.lr, a longer warm-up or train.clip may help."
        if isinstance(error, UserError):
            return "failed", str(error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            where = error.filename or self.run.folder
            return "failed", f"{where} cannot be written ({error.strerror}): make room in the store and resume the run."
        traceback.print_exception(error)
        return "failed", f"{type(error).__name__}: {error} (worker.log has the details)"


def main(folder: Path, opening: "OpenTask | None" = None) -> int:
    """Runs the run in `folder` to its end. The exit code is 0 unless it failed, diverged, or is running elsewhere.

    It is MENDABLE (2) where a person can mend the cause, and the run's error is the sentence that says how; else 1.

    `opening` gives another task than the one that the recipe names.
    """
    run = Run(folder)
    lock = RunLock.of_worker(folder)
    if not lock.acquire():
        print(f"Run {run.id} is running already.", file=sys.stderr)
        return 1
    os.environ[MARK] = run.id
    control = Control(run)
    control.listen()
    log = RunLog(run.log)
    status = read_status(folder)
    changes: dict[str, Any] = {"state": "running", "process": this_process(), "error": None, "ended_at": None}
    heartbeat = Heartbeat(folder, status.model_copy(update=changes | {"started_at": status.started_at or time.time()}))
    heartbeat.doing("starting")
    heartbeat.start()
    with Ending(run, heartbeat, log) as ending:
        ending.state = work(run, control, heartbeat, log, opening or open_recipe_task)
    return ending.code


def work(run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, opening: "OpenTask") -> str:
    """Trains and evaluates; the state in which the run is left. Raises what `Ending` knows to judge."""
    # torch takes seconds to import; the heartbeat beats already.
    import torch

    from vitbench.runs.estimates import note_memory
    from vitbench.runs.event_writer import EventWriter
    from vitbench.training.checkpoint import Checkpoints
    from vitbench.training.device import choose_device, describe_device, gpu_uuids, lease_notes, make_deterministic
    from vitbench.training.environment import frozen_threads, write_environment
    from vitbench.training.loop import train
    from vitbench.training.monitor import Monitor
    from vitbench.training.seeds import seed_everything
    from vitbench.training.state import Training

    recipe = run.recipe()
    bind_process(recipe.train.device)
    threads = frozen_threads(run.folder, recipe.train.threads)
    torch.set_num_threads(threads)
    if recipe.train.deterministic:
        make_deterministic(compiled=recipe.train.compile)
    device = choose_device(recipe.train.device)
    heartbeat.update(device=describe_device(device), gpus=gpu_uuids(device))

    def progress(done: int, total: int, what: str) -> None:
        heartbeat.doing(what, done, total)
        control.raise_if_asked_to_leave()

    seed_everything(recipe.train.seed)
    task, fingerprint = opening(run, device, progress)
    doubts = write_environment(
        run.folder,
        threads=threads,
        seed=recipe.train.seed,
        device=describe_device(device),
        data_fingerprint=fingerprint,
    )
    training = Training(task, recipe, device)
    checkpoints = Checkpoints(run.folder / "checkpoints")
    if checkpoints.last is not None:
        checkpoints.load(training)
        log.write(
            training.step, "info", f"Going on from the checkpoint of step {training.step} on {describe_device(device)}."
        )
        for doubt in doubts:
            log.write(training.step, "warning", doubt)
    else:
        log.write(0, "info", f"Starting on {describe_device(device)}: {task.network.source}")
    for note in lease_notes(device):
        log.write(training.step, "warning", note)
    monitor = Monitor(
        events=EventWriter(run.folder, first_step=training.step + 1),
        log=log,
        heartbeat=heartbeat,
        checkpoints=checkpoints,
        control=control,
        evaluations=run.folder / "evaluations",
        log_every=recipe.train.log_every,
        gpu_uuids=gpu_uuids(device),
        fp16=recipe.train.amp == "fp16",
    )
    outcome = train(training, monitor)
    if device.type == "cuda" and training.batch_size == recipe.train.batch_size:
        store = run.folder.parent.parent
        note_memory(store, recipe, torch.cuda.max_memory_reserved(device), describe_device(device))
    if outcome == "finished":
        evaluate_best_on_test(task, training, monitor)
    monitor.events.close()
    return outcome


def open_recipe_task(run: Run, device: Any, progress: Progress) -> "tuple[Task, str]":
    """What the run's recipe trains, and the fingerprint of its data; UserError for whatever does not fit."""
    return open_task(run.recipe(), run.folder, run.folder.parent.parent, device, progress)


def open_task(recipe: "Recipe", run_folder: Path, store: Path, device: Any, progress: Progress) -> "tuple[Task, str]":
    """What a recipe trains, and the fingerprint of its data. `run_folder` keeps the split and the tokenizer.

    Raises UserError for whatever does not fit.
    """
    if recipe.task == "caption":
        from vitbench.captions.task import open_caption_task

        return open_caption_task(recipe, run_folder, store, device, progress)
    from vitbench.training.classification import open_classification

    return open_classification(recipe, run_folder, store, device, progress)


def evaluate_best_on_test(task: "Task", training: "Training", monitor: "Monitor") -> None:
    """Evaluates the best checkpoint on the test part, or parts, where the data has them."""
    from safetensors.torch import load_file

    from vitbench.training.checkpoint import WEIGHTS_NAME

    parts = [part for part in task.splits if part.startswith("test")]
    if training.best is None or not parts:
        return
    step = training.best.step
    module = training.evaluated_module
    module.load_state_dict(load_file(monitor.checkpoints.path(step) / WEIGHTS_NAME))
    module.eval()
    for part in parts:
        scalars = task.evaluate(module, part, step=step, folder=monitor.evaluations, progress=monitor.progress)
        monitor.evaluated(training, scalars, split=part)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
