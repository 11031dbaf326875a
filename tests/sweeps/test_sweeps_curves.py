"""The curves of the survivors with their spread over seeds, and slices over the keys of a space."""

from pathlib import Path

import numpy as np
import pytest

from vitbench.runs.store import Run
from vitbench.sweeps.curves import slices, survivors
from vitbench.sweeps.history import Attempt, History, Membership, Trial
from vitbench.sweeps.plan import parse_plan

RECIPE = {"data": {"path": "pictures"}, "model": {"name": "demo"}}


def attempt(number, repeat, curve, stopped_at=None):
    steps, values = curve
    return Attempt(
        run=Run(Path(f"run-{number}-{repeat}")),
        membership=Membership(sweep="s", trial=number, repeat=repeat, values={}),
        state="finished",
        step=steps[-1] if steps else 0,
        total_steps=100,
        curve=(np.array(steps, dtype=np.int64), np.array(values, dtype=float)),
        stopped_at=stopped_at,
    )


def history(space, *trials):
    """Trials as (values, curves, stopped_at)."""
    plan = parse_plan({"space": space, "repeats": 2, "recipe": RECIPE}, "a test")
    made = {
        number: Trial(
            number,
            values,
            {repeat: attempt(number, repeat, curve, stopped) for repeat, curve in enumerate(curves)},
        )
        for number, (values, curves, stopped) in enumerate(trials)
    }
    return History(plan, "validation/accuracy", "max", made, ())


SPACE = {"optim.lr": [1e-4, 1e-2], "optim.name": ["sgd", "adamw"]}


def test_a_curve_is_the_mean_over_seeds_at_the_steps_that_all_have_measured():
    found = history(
        SPACE,
        ({"optim.lr": 1e-4, "optim.name": "sgd"}, [([10, 20, 30], [0.1, 0.3, 0.9]), ([10, 20], [0.3, 0.7])], None),
        ({"optim.lr": 1e-2, "optim.name": "sgd"}, [([10, 20, 20], [0.2, 0.9, 0.4])], None),
        ({"optim.lr": 1e-2, "optim.name": "adamw"}, [([10], [0.95])], 0.1),
        ({"optim.lr": 1e-4, "optim.name": "adamw"}, [([], [])], None),
    )
    first, second = survivors(found)
    assert (first.trial.number, second.trial.number) == (1, 0), "the best first; one was stopped, one measured nothing"
    assert second.steps.tolist() == [10, 20]
    assert second.mean.tolist() == pytest.approx([0.2, 0.5])
    assert (second.low.tolist(), second.high.tolist()) == ([0.1, 0.3], [0.3, 0.7])
    assert (second.seeds, first.seeds) == (2, 1)
    assert first.mean.tolist() == [0.2, 0.4], "of a step that was measured twice the last value counts"
    assert len(survivors(found, most=1)) == 1


def test_a_slice_has_every_trial_and_the_mean_of_values_that_several_have():
    found = history(
        SPACE,
        ({"optim.lr": 1e-4, "optim.name": "sgd"}, [([10], [0.1])], None),
        ({"optim.lr": 1e-2, "optim.name": "sgd"}, [([10], [0.5])], None),
        ({"optim.lr": 1e-2, "optim.name": "adamw"}, [([10], [0.9])], None),
    )
    rate, name = slices(found)
    assert sorted(zip(rate.x.tolist(), rate.scores.tolist(), strict=True)) == [(1e-4, 0.1), (1e-2, 0.5), (1e-2, 0.9)]
    assert rate.is_log
    assert (rate.levels[0].tolist(), rate.levels[1].tolist()) == ([1e-2], [pytest.approx(0.7)])
    assert name.names == ("sgd", "adamw")
    assert not name.is_log
    assert sorted(zip(name.x.tolist(), name.scores.tolist(), strict=True)) == [(1, 0.1), (1, 0.5), (2, 0.9)]
    assert slices(history(SPACE, ({"optim.lr": 1e-4, "optim.name": "sgd"}, [([10], [0.1])], None))) == []
