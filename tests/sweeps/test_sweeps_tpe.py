"""Suggestions of Optuna's TPE from the history alone."""

import math

import pytest

from vitbench.sweeps.plan import parse_plan
from vitbench.sweeps.suggest import WARM_UP, suggestion

pytest.importorskip("optuna")
RECIPE = {"data": {"path": "pictures"}, "model": {"name": "demo"}}
SPACE = {
    "optim.lr": {"low": 1e-5, "high": 1e-1, "scale": "log"},
    "optim.name": ["sgd", "adam", "adamw"],
    "train.epochs": {"low": 1, "high": 20, "whole": True},
}


def plan(seed=0, **values):
    whole = {"method": "tpe", "trials": 300, "seed": seed, "space": SPACE, "recipe": RECIPE, **values}
    return parse_plan(whole, "a test")


def score(values):
    """Best at lr = 1e-3 with adamw and 15 epochs."""
    return (
        -abs(math.log10(values["optim.lr"]) + 3)
        - (values["optim.name"] != "adamw")
        - abs(values["train.epochs"] - 15) / 10
    )


def played(one, count):
    history = []
    for number in range(count):
        values = suggestion(one, number, history, "max")
        history.append((values, score(values)))
    return history


def test_the_same_history_gives_the_same_suggestion_and_another_seed_another():
    history = played(plan(), WARM_UP + 2)
    again = [suggestion(plan(), WARM_UP + 2, history, "max") for _ in range(2)]
    assert again[0] == again[1]
    assert suggestion(plan(seed=1), WARM_UP + 2, history, "max") != again[0]
    assert suggestion(plan(), WARM_UP + 3, history, "max") != again[0]


def test_values_are_in_the_space():
    history = played(plan(), WARM_UP + 5)
    assert len(history) == WARM_UP + 5
    for values, _ in history:
        assert 1e-5 <= values["optim.lr"] <= 1e-1
        assert values["optim.name"] in SPACE["optim.name"]
        assert isinstance(values["train.epochs"], int)
        assert 1 <= values["train.epochs"] <= 20


def test_it_looks_where_it_was_good_and_for_the_least_where_that_is_asked():
    history = played(plan(), 40)
    early = sum(value for _, value in history[:WARM_UP]) / WARM_UP
    late = sum(value for _, value in history[-15:]) / 15
    assert late > early + 0.5
    turned = [(values, -value) for values, value in history]
    assert suggestion(plan(), 40, turned, "min") == suggestion(plan(), 40, history, "max")


def test_a_history_of_another_space_is_left_out():
    history = played(plan(), WARM_UP + 3)
    narrow = plan(space=SPACE | {"optim.lr": {"low": 1e-4, "high": 1e-3, "scale": "log"}})
    assert 1e-4 <= suggestion(narrow, WARM_UP + 3, history, "max")["optim.lr"] <= 1e-3
