"""What a worker does with its run: makes the training ready, trains, and evaluates the test split."""

from contextlib import closing

import torch

from vitbench import __version__
from vitbench.errors import UserError
from vitbench.models.weight_files import read_weights
from vitbench.ranks import ALONE, Ranks
from vitbench.recipe import Recipe
from vitbench.runs.estimates import note_memory
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.frozen import differences
from vitbench.runs.lease import bind_process
from vitbench.runs.log import RunLog
from vitbench.runs.states import State
from vitbench.runs.status import read_status
from vitbench.runs.store import Run
from vitbench.runs.transition import transition
from vitbench.training.checkpoint import WEIGHTS_NAME, Checkpoints
from vitbench.training.control import Control
from vitbench.training.data_remarks import data_remarks
from vitbench.training.device import choose_device, describe_device, gpu_uuids, lease_notes, make_deterministic
from vitbench.training.distributed import JoinedRanks, refuse_unfit
from vitbench.training.elastic import read_batch
from vitbench.training.environment import frozen_threads, write_environment
from vitbench.training.following import Follower
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.loop import evaluate_split, train
from vitbench.training.monitor import Monitor
from vitbench.training.open_task import OpenTask
from vitbench.training.seeds import seed_everything
from vitbench.training.starting import begins_elsewhere, take_start
from vitbench.training.state import Training
from vitbench.training.task import Task


def work(
    run: Run, control: Control, heartbeat: Heartbeat, log: RunLog, opening: OpenTask, *, joined: bool = False
) -> State:
    """Trains and evaluates; the state in which the run is left. Raises what `Outcome` knows to judge.

    `joined` is for one of several processes, whose ranks are in the environment: what is read is read by all of them,
    rank 0 first, and rank 0 alone writes.
    """
    control.raise_if_asked_to_leave()  # the imports may have taken as long as SLURM gives between its two signals
    recipe = run.recipe()
    device, threads = _choose_device(run, recipe, joined=joined)
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
    if joined:
        refuse_unfit(task.network.name, task.network.module, ranks.world, recipe.train.batch_size)
    doubts: list[str] = []
    if ranks.is_first:
        doubts = write_environment(
            run.folder,
            threads=threads,
            seed=recipe.train.seed,
            device=describe_device(device),
            data_fingerprint=fingerprint,
        )
    training, checkpoints, start = _open_training(run, recipe, task, device, ranks)
    if joined:
        _use_batch_of_others(run, training, log)
    if checkpoints.last is not None:
        log.write(training.step, "info", f"Going on from the checkpoint of step {training.step:,} on {where}.")
    else:
        _log_start(run, recipe, task, log, f"Starting on {where}: {start or task.network.source}")
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
        _evaluate_best_on_test(task, training, monitor)
    monitor.close()
    return outcome


def _choose_device(run: Run, recipe: Recipe, *, joined: bool) -> tuple[torch.device, int]:
    """The device, and the number of threads, with which this process computes from here on."""
    if not joined:
        bind_process(recipe.train.device)
    threads = frozen_threads(run.folder, recipe.train.threads, recipe.launch.world)
    torch.set_num_threads(threads)
    if recipe.train.deterministic:
        make_deterministic()
    return choose_device(recipe.train.device), threads


def _open_training(
    run: Run, recipe: Recipe, task: Task, device: torch.device, ranks: Ranks
) -> tuple[Training, Checkpoints, str]:
    """The training as its last checkpoint left it, else at its beginning, with what weights that begins with."""
    with ranks.first_before_others():  # it sets damaged ones aside
        checkpoints = Checkpoints(run.folder / "checkpoints")
        start = ""
        if checkpoints.last is None and begins_elsewhere(run):
            start = take_start(run, task)  # before the averaged weights are copied from them
        training = Training(task, recipe, device, ranks)
        if checkpoints.last is not None:
            checkpoints.load(training)
    return training, checkpoints, start


def _use_batch_of_others(run: Run, training: Training, log: RunLog) -> None:
    """Takes the smaller batch with which all processes begin again, where memory ran out in one of them."""
    batch = read_batch(run)
    if batch and batch[0] < training.batch_size:
        training.batch_size, training.accumulate = batch
        log.write(
            training.step,
            "warning",
            f"Out of memory in a process of the run: going on with {batch[0]} pictures per batch, and {batch[1]} "
            f"batches per step, so a step still covers {training.pictures_per_step} pictures.",
        )


def _log_start(run: Run, recipe: Recipe, task: Task, log: RunLog, words: str) -> None:
    """What the log of a run begins with, and what is not as it was when the run was made or queued."""
    made_by = read_status(run.folder).version
    if made_by and made_by != __version__:
        log.write(0, "warning", f"The run was made by vitbench {made_by}; it is trained by {__version__}.")
    log.write(0, "info", words)
    for remark in (*differences(run, recipe), *data_remarks(getattr(task, "data", None))):
        log.write(0, "warning", remark)


def _evaluate_best_on_test(task: Task, training: Training, monitor: Monitor) -> None:
    """Evaluates the best checkpoint on the test split, or splits, where the data has them."""
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
