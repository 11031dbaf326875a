"""Everything that changes while a run trains, and where in the run it is."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from vitbench.models.adaptation import quiet_frozen_parts
from vitbench.ranks import ALONE, Ranks
from vitbench.recipe import Recipe
from vitbench.runs.status import Best
from vitbench.training.distributed import Loss
from vitbench.training.first_update import FirstUpdate, HasState
from vitbench.training.optimizer import create_optimizer, set_learning_rate
from vitbench.training.precision import Precision
from vitbench.training.step_clock import StepClock
from vitbench.training.task import BatchSize, Task


class Training:
    """A run in motion. `step` counts the finished steps; everything about position follows from it.

    A step covers `batch_size * accumulate` pictures; the last step of an epoch covers what is left. All counts are of
    the whole run; of each batch this process computes the part that `ranks` gives it.
    """

    def __init__(self, task: Task, recipe: Recipe, device: torch.device, ranks: Ranks = ALONE) -> None:
        self.task, self.recipe, self.device, self.ranks = task, recipe, device, ranks
        self.plain_module: nn.Module = task.network.module.to(device)
        self.optimizer = create_optimizer(self.plain_module, recipe.optim, device)
        self.precision = Precision(recipe.train.amp, device)
        # The average copies the plain network, before a compiler wraps it.
        self.average = (
            ModelEmaV3(self.plain_module, decay=recipe.train.ema, use_warmup=True) if recipe.train.ema else None
        )
        self.module: nn.Module = _compiled(self.plain_module, recipe) if recipe.train.compile else self.plain_module
        self.learning = [weight for weight in self.plain_module.parameters() if weight.requires_grad]
        self.seed, self.rank = recipe.train.seed, ranks.rank
        self._joined: nn.Module | None = None
        self.train_mode()

        self.step = 0
        self.evaluated_step = 0
        self.best: Best | None = None
        self.evaluations_without_best = 0
        self.batch_size, self.accumulate = recipe.train.batch_size, recipe.train.accumulate
        self.first_update = FirstUpdate(self._changed_by_an_update())
        # Of the step that was begun last:
        self.learning_rate, self.pictures_seen = 0.0, 0
        self.clock = StepClock(device)

    def train_mode(self) -> None:
        """Dropout and drop path on, except in parts that are frozen whole."""
        self.module.train()
        quiet_frozen_parts(self.plain_module)

    # Where it is ---------------------------------------------------------------------------------------------------

    @property
    def pictures_per_step(self) -> int:
        """Pictures in a full step; halving the batch leaves it as it is."""
        return self.batch_size * self.accumulate

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch; the last may be short."""
        return math.ceil(self.task.train_size / self.pictures_per_step)

    @property
    def total_steps(self) -> int:
        """Steps in the run, if nothing ends it early."""
        return self.steps_per_epoch * self.recipe.train.epochs

    @property
    def epoch(self) -> int:
        """The epoch of the next step, from 0."""
        return self.step // self.steps_per_epoch

    @property
    def steps_left_in_epoch(self) -> int:
        """Steps until the epoch of the next step ends."""
        return self.steps_per_epoch - self.step % self.steps_per_epoch

    @property
    def pictures_in_step(self) -> int:
        """Pictures that the next step covers."""
        done = self.step % self.steps_per_epoch * self.pictures_per_step
        return min(self.pictures_per_step, self.task.train_size - done)

    @property
    def micro_steps(self) -> int:
        """Batches that the next step covers."""
        return math.ceil(self.pictures_in_step / self.batch_size)

    def open_batches(self) -> Iterator[Any]:
        """The rest of the epoch, from the first picture of the next step on."""
        first_batch = self.step % self.steps_per_epoch * self.accumulate
        return iter(self.task.batches(self.epoch, first_batch, self.batch_size))

    @property
    def finished(self) -> bool:
        """Whether the last epoch is over, or evaluations have stopped getting better."""
        patience = self.recipe.train.early_stopping
        return self.step >= self.total_steps or (patience > 0 and self.evaluations_without_best >= patience)

    @property
    def evaluation_due(self) -> bool:
        """At the end of every so many epochs, of the head's epochs, and of the last; once at each step."""
        if self.step % self.steps_per_epoch or self.step == self.evaluated_step:
            return False
        train, epochs = self.recipe.train, self.step // self.steps_per_epoch
        if epochs <= train.head_epochs and self.recipe.optim.probe_lrs is None:
            return epochs in (train.head_epochs, train.epochs)
        begin = 0 if self.recipe.optim.probe_lrs is not None else train.head_epochs
        return (epochs - begin) % train.evaluate_every == 0 or epochs == train.epochs

    @property
    def checkpoint_due(self) -> bool:
        """At every so many steps, and at the end of each epoch that no evaluation will save."""
        every = self.recipe.train.checkpoint_every
        if self.evaluation_due:
            return False
        if every:
            return self.step % every == 0
        return (
            self.step % self.steps_per_epoch == 0 and self.step // self.steps_per_epoch > self.recipe.train.head_epochs
        )

    # What a step does -------------------------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Tells the optimizer the learning rate of the next step, and notes it with the number of pictures."""
        self.learning_rate = self.recipe.learning_rate(self.step, self.steps_per_epoch)
        self.pictures_seen = self.pictures_in_step
        set_learning_rate(self.optimizer, self.learning_rate)

    def clip_gradients(self) -> Tensor:
        """The L2 norm of all gradients together, a scalar; above `train.clip` they are scaled down to it."""
        gradients = [weight.grad for weight in self.learning if weight.grad is not None]
        norm = get_total_norm(gradients)
        if self.recipe.train.clip:
            clip_grads_with_norm_(self.learning, self.recipe.train.clip, norm)
        return norm

    def scale_gradients(self, factor: float) -> None:
        """Multiplies all gradients."""
        torch._foreach_mul_([weight.grad for weight in self.learning if weight.grad is not None], factor)

    def _changed_by_an_update(self) -> dict[str, HasState]:
        parts: dict[str, HasState] = {
            "weights": self.plain_module,
            "optimizer": self.optimizer,
            "scaler": self.precision,
        }
        return parts if self.average is None else parts | {"average": self.average.module}

    def update_average(self) -> None:
        """Moves the averaged weights towards the new ones. It begins where the head's epochs end."""
        if self.average is None:
            return
        steps = self.step + 1 - self.recipe.train.head_epochs * self.steps_per_epoch
        if steps > 0:
            self.average.update(self.plain_module, step=steps)
        elif steps == 0:
            self.average.set(self.plain_module)

    def module_for(self, pictures: int) -> nn.Module:
        """What computes a batch of so many: a short one, at an epoch's end, is not worth a compilation of its own."""
        return self.module if pictures * self.ranks.world == self.batch_size else self.plain_module

    @property
    def joined(self) -> nn.Module:
        """The loss as a module whose gradients are means over all processes."""
        if self._joined is None:
            self._joined = self.ranks.join(Loss(self.task, self.plain_module, self.module_for))
        return self._joined

    def weight_of(self, size: BatchSize) -> float:
        """What the loss of a micro-step counts in its step, before the terms of the whole step are known.

        Gradients become means over the processes, so each process counts as often as there are processes.
        """
        if self.ranks.alone and self.micro_steps == 1:
            return 1.0
        return size.terms * self.ranks.world / self.pictures_in_step

    def total(
        self, loss: Tensor, extras: dict[str, Tensor], terms: int, pictures: int
    ) -> tuple[Tensor, dict[str, Tensor], int]:
        """Loss and extras (scalars) and the terms of a step over all processes; notes how many pictures it had."""
        loss, extras, terms, self.pictures_seen = self.ranks.total(loss, extras, terms, pictures)
        if not self.ranks.alone and self.pictures_seen < self.pictures_in_step:
            self.task.left_out.note(self.ranks.gather_all(self.task.left_out.all()))
        return loss, extras, terms

    def counted(self, terms: int) -> bool:
        """Whether the weights of the micro-steps were those of a step with so many terms."""
        return terms == self.pictures_in_step or (self.ranks.alone and self.micro_steps == 1)

    @property
    def evaluated_module(self) -> nn.Module:
        """The weights that count: the averaged ones, where there are any. Never the compiled network."""
        return self.average.module if self.average is not None else self.plain_module

    def note_evaluation(self, scalars: Mapping[str, float]) -> None:
        """Remembers the best value of the task's monitored scalar, and for how long there was no better one."""
        self.evaluated_step = self.step
        value = scalars[self.task.monitored_metric]
        if self.best is None or value > self.best.value:
            self.best = Best(metric=f"validation/{self.task.monitored_metric}", value=value, step=self.step)
            self.evaluations_without_best = 0
        else:
            self.evaluations_without_best += 1


def _compiled(module: nn.Module, recipe: Recipe) -> nn.Module:
    """The compiled network. Batches of pictures have one shape; captions are as long as they are."""
    dynamic = None if recipe.task == "caption" else False
    return torch.compile(module, dynamic=dynamic)  # type: ignore[return-value]  # what it returns is a module too
