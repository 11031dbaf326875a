"""Learning rates equal timm's schedulers, the student's lambdas and the papers' closed forms."""

import math

import pytest

from vitbench.recipe import OptimTable, ScheduleTable, load_recipe, parse_recipe
from vitbench.schedules import learning_rate, learning_rate_with_head

EPOCHS, WARMUP, STEPS = 20, 5, 7


def timm_rates(name: str, step_on: str, lr: float, min_lr: float) -> list[float]:
    """What a timm scheduler sets, step by step."""
    import torch
    from timm.scheduler import create_scheduler_v2

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    extra = {"linear": {"sched": "poly", "decay_rate": 1.0}, "wsd": {"sched": "wsd", "decay_epochs": 0.2}}
    scheduler, total = create_scheduler_v2(
        optimizer,
        num_epochs=EPOCHS - WARMUP,
        warmup_epochs=WARMUP,
        warmup_prefix=True,
        warmup_lr=0.0,
        min_lr=min_lr,
        step_on_epochs=step_on == "epoch",
        updates_per_epoch=STEPS,
        **extra.get(name, {"sched": name}),
    )
    assert total == EPOCHS
    rates = []
    for step in range(EPOCHS * STEPS):
        if step_on == "epoch" and step % STEPS == 0:
            scheduler.step(step // STEPS)
        elif step_on == "step":
            scheduler.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize("min_lr", [0.0, 1e-5])
@pytest.mark.parametrize("step_on", ["epoch", "step"])
@pytest.mark.parametrize("name", ["cosine", "linear", "constant", "wsd"])
def test_equals_timm(name: str, step_on: str, min_lr: float) -> None:
    schedule = ScheduleTable(name=name, warmup_epochs=WARMUP, step_on=step_on, min_lr=min_lr)
    ours = [learning_rate(schedule, 3e-4, step, STEPS, EPOCHS) for step in range(EPOCHS * STEPS)]
    assert ours == pytest.approx(timm_rates(name, step_on, 3e-4, min_lr), rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_the_presets_schedules_are_the_reports(name: str) -> None:
    """The LambdaLR of the student's training script, stepped once an epoch: warm-up 5 of 20, first epoch at 0."""

    def factor(epoch: int) -> float:
        if epoch < 5:
            return epoch / 5
        if name == "constant":
            return 1.0
        if name == "linear":
            return (20 - epoch) / (20 - 5)
        return 0.5 * (1.0 + math.cos(math.pi * 0.5 * 2.0 * (epoch - 5) / (20 - 5)))

    recipe = load_recipe("report", [f"schedule.name={name}"])
    steps_per_epoch = 920  # 3,680 pictures in batches of 4
    for epoch in range(20):
        rates = {recipe.learning_rate(epoch * steps_per_epoch + step, steps_per_epoch) for step in (0, 1, 919)}
        assert len(rates) == 1
        assert rates.pop() == pytest.approx(3e-4 * factor(epoch), abs=1e-18)


def test_warm_up_may_be_a_part_of_an_epoch_or_everything() -> None:
    half = ScheduleTable(name="cosine", warmup_epochs=0.5, step_on="step")
    assert [learning_rate(half, 1.0, step, 10, 2) for step in (0, 4, 5)] == pytest.approx([0, 0.8, 1.0])
    whole = ScheduleTable(name="cosine", warmup_epochs=2, step_on="step")
    assert learning_rate(whole, 1.0, 19, 10, 2) == pytest.approx(0.95)
    assert learning_rate(whole, 1.0, 20, 10, 2) == 0.0


def test_the_head_goes_first_at_its_own_rate() -> None:
    optim = OptimTable(lr=1e-3, head_lr=1e-2)
    schedule = ScheduleTable(name="linear", warmup_epochs=0, step_on="step")
    rates = [learning_rate_with_head(schedule, optim, step, 10, 5, 2) for step in range(50)]
    assert rates[:20] == [1e-2] * 20
    assert rates[20:] == [learning_rate(schedule, 1e-3, step, 10, 3) for step in range(30)]


def test_augreg_is_five_hundred_steps_with_a_fifth_of_warm_up() -> None:
    recipe = load_recipe("augreg")
    steps_per_epoch = math.ceil(3680 / (recipe.train.batch_size * recipe.train.accumulate))
    assert recipe.train.batch_size * recipe.train.accumulate == 512
    rates = [recipe.learning_rate(step, steps_per_epoch) for step in range(recipe.train.epochs * steps_per_epoch)]
    assert abs(len(rates) - 500) <= 4
    assert rates.index(max(rates)) == 100
    assert max(rates) == 0.003


def test_a_minimum_above_the_peak_is_refused() -> None:
    from vitbench.errors import UserError

    with pytest.raises(UserError, match=r"schedule\.min_lr = 0\.1"):
        parse_recipe({"schedule": {"min_lr": 0.1}, "optim": {"lr": 0.01}}, "test")
