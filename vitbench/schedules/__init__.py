"""The learning rate as a function of the step: plain arithmetic, no state, no torch.

`learning_rate` equals timm's schedulers (called with `warmup_prefix=True`, `warmup_lr=0`) and the lambdas of the
student's report. A run that resumes needs only its step.
"""

import math

from vitbench.recipe_tables import OptimTable, ScheduleTable


def learning_rate(schedule: ScheduleTable, optim_lr: float, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate of optimizer step `step`, counted from 0.

    `schedule.step_on = "epoch"` holds the rate through an epoch, so with a warm-up the first epoch has rate 0, as in
    the report. Warm-up rises linearly from 0 to `optim_lr`; then, with `progress` from 0 to 1 over what is left:

    - cosine: (1 + cos(pi progress)) / 2 (Loshchilov & Hutter 2017, equation 5)
    - linear: 1 - progress
    - constant: 1
    - wsd: 1, then 1 - sqrt(progress of the last `decay_fraction`) (Hu et al. 2024; Hägele et al. 2024, equation 1)

    each between `min_lr` and `optim_lr`.
    """
    time, unit = (step // steps_per_epoch, 1) if schedule.step_on == "epoch" else (step, steps_per_epoch)
    warmup = schedule.warmup_epochs * unit
    if time < warmup:
        return optim_lr * time / warmup
    after, length = time - warmup, epochs * unit - warmup
    return schedule.min_lr + (optim_lr - schedule.min_lr) * _height(schedule, after, length)


def _height(schedule: ScheduleTable, after: float, length: float) -> float:
    """The height of the curve, 1 at its peak, `after` the warm-up; `length` is what follows the warm-up."""
    if schedule.name == "constant":
        return 1.0
    progress = min(1.0, after / length) if length > 0 else 1.0
    if schedule.name == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    if schedule.name == "linear":
        return 1 - progress
    decay = max(1, round(schedule.decay_fraction * length))
    into_decay = after - (length - decay)
    return 1 - math.sqrt(min(1.0, into_decay / decay)) if into_decay > 0 else 1.0


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
