"""The learning rate as a function of the step: plain arithmetic, no state, no torch.

`learning_rate` equals timm's schedulers (called with `warmup_prefix=True`, `warmup_lr=0`) and the lambdas of the
student's report. A run that resumes needs only its step.
"""

from vitbench.declarations import Declarations
from vitbench.recipe_tables import OptimTable, ScheduleTable
from vitbench.schedules.base import Schedule

SCHEDULES = Declarations("schedule", Schedule, "vitbench.schedules", "SCHEDULE", lambda one: one.order)
"""Each is one file here, or comes with an installed package."""


def learning_rate(schedule: ScheduleTable, optim_lr: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate of optimizer step `step`, counted from 0.

    `schedule.step_on = "epoch"` holds the rate through an epoch, so with a warm-up the first epoch has rate 0, as in
    the report. Warm-up rises linearly from 0 to `optim_lr`; then the schedule's height, from 0 to 1, counts between
    `min_lr` and `optim_lr`.
    """
    time, unit = (step // steps_per_epoch, 1) if schedule.step_on == "epoch" else (step, steps_per_epoch)
    warmup = schedule.warmup_epochs * unit
    if time < warmup:
        return optim_lr * time / warmup
    after, length = time - warmup, epochs * unit - warmup
    return schedule.min_lr + (optim_lr - schedule.min_lr) * SCHEDULES.find(schedule.name).height(
        schedule, after, length
    )


def learning_rate_with_head(
    schedule: ScheduleTable, optim: OptimTable, step: int, steps_per_epoch: int, epochs: int, head_epochs: int
) -> float:
    """The learning rate of a run whose first `head_epochs` train only the head.

    They go at the constant `optim.head_lr` (`optim.lr` where it is not given); the schedule begins after them.
    """
    head_steps = head_epochs * steps_per_epoch
    if step < head_steps:
        return optim.head_lr if optim.head_lr is not None else optim.lr
    return learning_rate(schedule, optim.lr, step - head_steps, steps_per_epoch, epochs - head_epochs)
