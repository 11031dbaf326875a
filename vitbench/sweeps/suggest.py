"""The values of the next trial: f(plan, number), and for TPE also of the trials that have ended before it."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vitbench.errors import UserError
from vitbench.sweeps.plan import Plan
from vitbench.sweeps.space import Categorical, Dimension, Range, Scalar, Values, drawn, grid

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

WARM_UP = 10
"""Trials of TPE that are drawn at random, as Optuna's own default has it."""


def suggestion(plan: Plan, number: int, ended: Sequence[tuple[Values, float]], goal: str) -> Values:
    """The values of trial `number`. `ended` are the trials before it with their scores, in the order of their numbers.

    Raises UserError if TPE is asked for and Optuna is not installed.
    """
    if plan.method == "grid":
        return grid(plan.space, plan.points)[number]
    if plan.method == "random" or number < WARM_UP:
        return drawn(plan.space, plan.seed, number)
    return _tpe(plan, number, ended, goal)


def _tpe(plan: Plan, number: int, ended: Sequence[tuple[Values, float]], goal: str) -> Values:
    """Tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna, in memory, from the whole history."""
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            'method = "tpe" needs Optuna: pip install "vitbench[sweep]"; grid and random need nothing.'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seed = random.Random(f"{plan.seed}/{number}/tpe").randrange(2**32)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=WARM_UP, multivariate=len(plan.space) > 1)
    direction: Literal["minimize", "maximize"] = "minimize" if goal == "min" else "maximize"
    study = optuna.create_study(sampler=sampler, direction=direction)
    distributions = {key: _distribution(one) for key, one in plan.space.items()}
    for values, score in ended:
        if all(_fits(plan.space[key], values.get(key)) for key in plan.space):
            known = {key: _to_optuna(plan.space[key], values[key]) for key in plan.space}
            study.add_trial(optuna.trial.create_trial(params=known, distributions=distributions, value=score))
    asked = study.ask(fixed_distributions=distributions)
    return {key: _from_optuna(plan.space[key], asked.params[key]) for key in plan.space}


def _distribution(one: Dimension) -> "BaseDistribution":
    import optuna

    if isinstance(one, Categorical):
        return optuna.distributions.CategoricalDistribution(list(range(len(one.values))))
    if one.whole:
        return optuna.distributions.IntDistribution(int(one.low), int(one.high), log=one.scale == "log")
    return optuna.distributions.FloatDistribution(one.low, one.high, log=one.scale == "log")


def _to_optuna(one: Dimension, value: Scalar) -> Scalar:
    return one.values.index(value) if isinstance(one, Categorical) else value


def _from_optuna(one: Dimension, value: Scalar) -> Scalar:
    if isinstance(one, Categorical):
        return one.values[int(value)]
    assert isinstance(value, int | float)
    return int(value) if one.whole else min(max(float(f"{value:.6g}"), one.low), one.high)


def _fits(one: Dimension, value: Scalar | None) -> bool:
    """Whether a value of the history is still in the space, which a person may have changed."""
    if isinstance(one, Range):
        return isinstance(value, int | float) and not isinstance(value, bool) and one.low <= value <= one.high
    return value in one.values
