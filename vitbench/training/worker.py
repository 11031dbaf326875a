"""The process that trains: `python -m vitbench.training.worker RUN_FOLDER`.

It takes the run's lock, writes its status from the first moment on, trains, evaluates the test split, and says how it
ended. It may be killed at any instant; started again, it goes on from the last checkpoint.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench import __version__
from vitbench.errors import UserError
from vitbench.progress import Progress
from vitbench.ranks import ALONE
from vitbench.runs.frozen import differences
from vitbench.runs.launcher import mark_started
from vitbench.runs.lease import bind_process
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
from vitbench.training.data_remarks import data_remarks
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Outcome

if TYPE_CHECKING:
    from vitbench.recipe import Recipe
    from vitbench.training.monitor import Monitor
    from vitbench.training.state import Training
    from vitbench.training.task import Task

    OpenTask = Callable[[Run, Any, Progress], tuple[Any, str]]

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


def work(
    run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, opening: "OpenTask", *, joined: bool = False
) -> State:
    """Trains and evaluates; the state in which the run is left. Raises what `Outcome` knows to judge.

    `joined` is for one of several processes, whose ranks are in the environment: what is read is read by all of them,
    rank 0 first, and rank 0 alone writes.
    """
    # torch takes seconds to import; the heartbeat beats already.
    import torch

    from vitbench.runs.estimates import note_memory
    from vitbench.runs.event_writer import EventWriter
    from vitbench.training.checkpoint import Checkpoints
    from vitbench.training.device import choose_device, describe_device, gpu_uuids, lease_notes, make_deterministic
    from vitbench.training.distributed import JoinedRanks, refuse_unfit
    from vitbench.training.elastic import read_batch
    from vitbench.training.environment import frozen_threads, write_environment
    from vitbench.training.following import Follower
    from vitbench.training.loop import train
    from vitbench.training.monitor import Monitor
    from vitbench.training.seeds import seed_everything
    from vitbench.training.starting import begins_elsewhere, take_start
    from vitbench.training.state import Training

    control.raise_if_asked_to_leave()  # the imports may have taken as long as SLURM gives between its two signals
    recipe = run.recipe()
    if not joined:
        bind_process(recipe.train.device)
    threads = frozen_threads(run.folder, recipe.train.threads, recipe.launch.world)
    torch.set_num_threads(threads)
    if recipe.train.deterministic:
        make_deterministic()
    device = choose_device(recipe.train.device)
    where = describe_device(device) + (f", {recipe.launch.world} processes" if joined else "")
    heartbeat.update(device=where)
    ranks = JoinedRanks(device) if joined else ALONE
    if not joined and (gpus := gpu_uuids(device)) != read_status(run.folder).gpus:
        transition(run, "running", "running", by="worker", gpus=gpus)

    def progress(done: int, total: int, what: str) -> None:
        heartbeat.doing(what, done, total)
        control.raise_if_asked_to_leave()

    seed_everything(recipe.train.seed)
    with ranks.first_before_others():  # it makes the caches and draws the split
        task, fingerprint = opening(run, device, progress)
    task.ranks = ranks
    doubts: list[str] = []
    if joined:
        refuse_unfit(task.network.name, task.network.module, ranks.world, recipe.train.batch_size)
    if ranks.is_first:
        doubts = write_environment(
            run.folder,
            threads=threads,
            seed=recipe.train.seed,
            device=describe_device(device),
            data_fingerprint=fingerprint,
        )
    with ranks.first_before_others():  # it sets damaged ones aside
        checkpoints = Checkpoints(run.folder / "checkpoints")
        start = ""
        if checkpoints.last is None and begins_elsewhere(run):
            start = take_start(run, task)  # before the averaged weights are copied from them
        training = Training(task, recipe, device, ranks)
        if checkpoints.last is not None:
            checkpoints.load(training)
    if joined and (batch := read_batch(run)) and batch[0] < training.batch_size:
        training.batch_size, training.accumulate = batch
        log.write(
            training.step,
            "warning",
            f"Out of memory in a process of the run: going on with {batch[0]} pictures per batch, and {batch[1]} "
            f"batches per step, so a step still covers {training.pictures_per_step} pictures.",
        )
    if checkpoints.last is not None:
        log.write(training.step, "info", f"Going on from the checkpoint of step {training.step:,} on {where}.")
    else:
        made_by = read_status(run.folder).version
        if made_by and made_by != __version__:
            log.write(0, "warning", f"The run was made by vitbench {made_by}; it is trained by {__version__}.")
        log.write(0, "info", f"Starting on {where}: {start or task.network.source}")
        for remark in (*differences(run, recipe), *data_remarks(getattr(task, "data", None))):
            log.write(0, "warning", remark)
    for remark in (*checkpoints.remarks, *doubts, *lease_notes(device)):
        log.write(training.step, "warning", remark)
    monitor: Monitor = Follower(checkpoints, control)
    if ranks.is_first:
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
    monitor.begins(training)
    with closing(task):
        outcome = train(training, monitor)
    if device.type == "cuda" and training.batch_size == recipe.train.batch_size and ranks.is_first:
        store = run.folder.parent.parent
        note_memory(store, recipe, torch.cuda.max_memory_reserved(device), describe_device(device))
    if outcome == "finished":
        evaluate_best_on_test(task, training, monitor)
    monitor.close()
    return outcome


def open_recipe_task(run: Run, device: Any, progress: Progress) -> "tuple[Task, str]":
    """What the run's recipe trains, and the fingerprint of its data; UserError for whatever does not fit."""
    return open_task(run.recipe(), run.folder, run.folder.parent.parent, device, progress)


def open_task(recipe: "Recipe", run_folder: Path, store: Path, device: Any, progress: Progress) -> "tuple[Task, str]":
    """What a recipe trains, and the fingerprint of its data. `run_folder` keeps the split and the tokenizer.

    Raises UserError for whatever does not fit.
    """
    from vitbench.data.pictures import allow_pictures

    allow_pictures(recipe.data.largest_picture)
    if recipe.task == "caption":
        from vitbench.training.captioning import open_caption_task

        return open_caption_task(recipe, run_folder, store, device, progress)
    from vitbench.training.classification import open_classification

    return open_classification(recipe, run_folder, store, device, progress)


def evaluate_best_on_test(task: "Task", training: "Training", monitor: "Monitor") -> None:
    """Evaluates the best checkpoint on the test split, or splits, where the data has them."""
    from vitbench.models.weight_files import read_weights
    from vitbench.training.checkpoint import WEIGHTS_NAME
    from vitbench.training.loop import evaluate_split

    splits = [split for split in task.splits if split.startswith("test")]
    if training.best is None or not splits:
        return
    step = training.best.step
    module = training.evaluated_module
    try:
        with training.ranks.first_before_others():  # which has just written it
            module.load_state_dict(read_weights(monitor.checkpoints.path(step) / WEIGHTS_NAME))
    except (UserError, RuntimeError) as error:
        reason = str(error).splitlines()[0].removesuffix(".")
        monitor.warn(
            training,
            f"The best checkpoint, that of step {step:,}, cannot be read ({reason}): "
            f"the test split is evaluated with the last weights, those of step {training.step:,}.",
        )
        step = training.step
    module.eval()
    for split in splits:
        scalars = evaluate_split(training, monitor, module, split, step)
        monitor.evaluated(training, scalars, split=split)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
