"""The training loop. An epoch is a row of steps; a step is a row of micro-steps, then one update of the weights.

What a name means is told in the file of that name: `training` is in state.py, `monitor` in monitor.py.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from vitbench.runs.states import State
from vitbench.training.memory import OutOfMemory
from vitbench.training.monitor import Monitor
from vitbench.training.seeds import seed_everything
from vitbench.training.state import Training


def train(training: Training, monitor: Monitor) -> State:
    """Trains from `training.step` to the end of the recipe, or until someone asks to pause or stop.

    Raises Diverged (a loss or gradient is no number any more), Interrupted (asked to leave during an evaluation;
    all is saved), and UserError (memory ran out; a checkpoint cannot be written).
    """
    while True:
        if training.evaluation_due:
            evaluate(training, monitor)
        if training.finished:
            return "finished"
        batches = monitor.timed(training.open_batches())
        for _ in range(training.steps_left_in_epoch):
            training.begin_step()
            with OutOfMemory(training) as memory:
                loss, extras = accumulate_gradients(training, batches)
            if memory.ran_out:
                monitor.warn(training, training.use_smaller_batch())
                break  # and the same step again, from the same picture
            gradient_norm = update_weights(training)
            training.step += 1
            monitor.record(training, loss, gradient_norm, extras)
            request = monitor.request()
            if request or training.checkpoint_due:
                monitor.save(training, keep=request == "checkpoint")
            if request == "pause" or request == "stop":
                return "paused" if request == "pause" else "stopped"


def accumulate_gradients(training: Training, batches: Iterator[Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """Forward and backward over the pictures of one step; the mean loss over them, and the task's other scalars."""
    training.optimizer.zero_grad(set_to_none=True)
    loss, extras = torch.zeros((), device=training.device), dict[str, Tensor]()
    for micro_step, share in enumerate(training.micro_step_shares()):
        batch = next(batches)
        seed_everything(training.seed, training.step, micro_step, training.rank)
        with training.precision.autocast():
            module = training.module_for(round(share * training.pictures_in_step))
            micro_loss, micro_extras = training.task.loss(module, batch)
        training.precision.scaler.scale(micro_loss * share).backward()
        loss += micro_loss.detach() * share
        for name, value in micro_extras.items():
            extras[name] = extras.get(name, 0) + value * share
    return loss, extras


def update_weights(training: Training) -> Tensor:
    """Clips, steps, averages; the norm of the gradient before clipping."""
    scaler, optimizer = training.precision.scaler, training.optimizer
    scaler.unscale_(optimizer)
    gradient_norm = training.clip_gradients()
    scaler.step(optimizer)
    scaler.update()
    training.update_average()
    return gradient_norm


def evaluate(training: Training, monitor: Monitor) -> None:
    """Evaluates on the validation part, remembers the best, and saves. Leaving in the middle saves too."""
    monitor.flush(training)
    module = training.evaluated_module.eval()
    with monitor.saved_when_interrupted(training):
        scalars = training.task.evaluate(
            module, "val", step=training.step, folder=monitor.evaluations, progress=monitor.progress
        )
    training.train_mode()
    training.note_evaluation(scalars)
    monitor.evaluated(training, scalars)
    monitor.save(training)
