"""The training loop. An epoch is a row of steps; a step is a row of micro-steps, then one update of the weights.

`training` is what changes while a run trains (state.py), `monitor` what the world sees of it (monitor.py).
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vitbench.errors import UserError
from vitbench.runs.states import State
from vitbench.training.control import agreed
from vitbench.training.distributed import without_reduction
from vitbench.training.memory import OutOfMemory
from vitbench.training.monitor import Monitor
from vitbench.training.seeds import seed_everything
from vitbench.training.smaller_batch import use_smaller_batch, use_smaller_evaluation
from vitbench.training.state import Training


def train(training: Training, monitor: Monitor) -> State:
    """Trains from `training.step` to the end of the recipe, or until someone asks to pause or stop.

    Raises Diverged (a loss or gradient is NaN or infinite), Interrupted (asked to leave during an evaluation;
    all is saved), and UserError (memory ran out; a checkpoint cannot be written).
    """
    while True:
        if training.evaluation_due:
            evaluate(training, monitor)
        if training.finished:
            return "finished"
        batches = monitor.timed(training.open_batches())
        training.clock.start()
        for _ in range(training.steps_left_in_epoch):
            training.begin_step()
            with OutOfMemory(training.optimizer, training.device) as memory:
                loss, extras = accumulate_gradients(training, batches)
                gradient_norm = update_weights(training)
            if memory.ran_out:
                monitor.warn(training, use_smaller_batch(training))
                break  # and the same step again, from the same picture
            training.step += 1
            if training.pictures_seen:
                monitor.record(training, loss, gradient_norm, extras)
            request = agreed(monitor.request(), training.ranks)
            if request or training.checkpoint_due:
                monitor.save(training, keep=request == "checkpoint")
            if request == "pause" or request == "stop":
                return "paused" if request == "pause" else "stopped"


def accumulate_gradients(training: Training, batches: Iterator[object]) -> tuple[Tensor, dict[str, Tensor]]:
    """Forward and backward over one step; the mean loss over all its terms, and the task's other scalars.

    A micro-step weighs as much as it has terms. How many the step has is known at its end only (captions have
    different lengths, pictures may have become unreadable), so it is then that the gradients are set to the mean.
    """
    training.optimizer.zero_grad(set_to_none=True)
    loss, extras = torch.zeros((), device=training.device), dict[str, Tensor]()
    terms = pictures = 0
    for micro_step in range(training.micro_steps):
        batch = next(batches)
        training.clock.mark("data")
        size = training.task.size(batch)
        if not size.terms and training.ranks.alone:
            continue  # none of its pictures can be read any more
        weight = training.weight_of(size)
        seed_everything(training.seed, training.step, micro_step, training.rank)
        with without_reduction(training.joined, last=micro_step + 1 == training.micro_steps):
            with training.precision.autocast():
                micro_loss, micro_extras = training.joined(batch, size)
            training.clock.mark("forward")
            training.precision.scaler.scale(micro_loss * weight).backward()
        training.clock.mark("backward")
        loss += micro_loss.detach() * weight
        for name, value in micro_extras.items():
            extras[name] = extras.get(name, 0) + value * weight
        terms, pictures = terms + size.terms, pictures + size.pictures
    loss, extras, terms = training.total(loss, extras, terms, pictures)
    if terms and not training.counted(terms):
        mean = training.pictures_in_step / terms
        training.scale_gradients(mean)
        loss, extras = loss * mean, {name: value * mean for name, value in extras.items()}
    return loss, extras


def update_weights(training: Training) -> Tensor:
    """Clips, steps, averages; the norm of the gradient before clipping, a scalar on the device.

    A step without a picture changes nothing.
    """
    if not training.pictures_seen:
        return torch.zeros((), device=training.device)
    scaler, optimizer = training.precision.scaler, training.optimizer
    scaler.unscale_(optimizer)
    gradient_norm = training.clip_gradients()
    with training.first_update.kept():
        scaler.step(optimizer)
        scaler.update()
        training.update_average()
    training.clock.mark("update")
    return gradient_norm


def evaluate(training: Training, monitor: Monitor) -> None:
    """Evaluates on the validation split, remembers the best, and saves. Leaving in the middle saves too."""
    monitor.flush(training)
    module = training.evaluated_module.eval()
    with monitor.saved_when_interrupted(training):
        scalars = evaluate_split(training, monitor, module, "val", training.step)
    training.train_mode()
    training.note_evaluation(scalars)
    monitor.evaluated(training, scalars)
    monitor.save(training)


def evaluate_split(training: Training, monitor: Monitor, module: nn.Module, split: str, step: int) -> dict[str, float]:
    """The scalars of a split of the data. Out of memory, it computes less at once, or saves and raises UserError."""
    while True:
        with OutOfMemory(training.optimizer, training.device):
            return training.task.evaluate(
                module, split, step=step, folder=monitor.evaluations, progress=monitor.progress
            )
        try:
            monitor.warn(training, use_smaller_evaluation(training))
        except UserError:
            if split == "val":
                monitor.save(training)
            raise
