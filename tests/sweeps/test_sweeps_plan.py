"""Plans: what is tried, and what a plan that cannot be says."""

import math
import random

import pytest

from vitbench.errors import UserError
from vitbench.sweeps.plan import load_plan, parse_plan
from vitbench.sweeps.space import Categorical, Range, drawn, grid
from vitbench.sweeps.suggest import suggestion

RECIPE = {"data": {"path": "pictures"}, "model": {"name": "demo"}}
LR = {"low": 1e-5, "high": 1e-1, "scale": "log"}


def plan(**values):
    return parse_plan({"space": {"optim.lr": [1e-3, 1e-2]}, "recipe": RECIPE, **values}, "a test")


def test_a_grid_has_each_combination_once_and_the_last_key_changes_fastest():
    found = plan(space={"optim.name": ["adam", "sgd"], "optim.lr": LR, "train.epochs": [3]}, points=3)
    points = [suggestion(found, number, [], "max") for number in range(found.trial_count)]
    assert len(points) == 6
    assert [point["optim.name"] for point in points] == ["adam"] * 3 + ["sgd"] * 3
    assert [point["optim.lr"] for point in points[:3]] == pytest.approx([1e-5, 1e-3, 1e-1])


def test_ranges_on_their_scale():
    log = Range(low=1e-4, high=1, scale="log")
    assert log.levels(5) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert Range(low=0, high=0.4).levels(3) == pytest.approx([0, 0.2, 0.4])
    assert Range(low=1, high=3, whole=True).levels(9) == [1, 2, 3]
    generator = random.Random(0)
    draws = [log.draw(generator) for _ in range(4000)]
    assert min(draws) >= 1e-4
    assert max(draws) <= 1
    # Uniform on the logarithm: a quarter of the draws in each decade.
    decades = [sum(10.0**k <= value < 10.0 ** (k + 1) for value in draws) / 4000 for k in range(-4, 0)]
    assert decades == pytest.approx([0.25] * 4, abs=0.03)
    whole = [Range(low=2, high=5, whole=True).draw(generator) for _ in range(400)]
    assert set(whole) == {2, 3, 4, 5}


def test_a_random_trial_depends_on_its_number_alone():
    space = {"optim.lr": Range(**LR), "optim.name": Categorical(values=("adam", "sgd"))}
    once = [drawn(space, 7, number) for number in range(20)]
    assert [drawn(space, 7, number) for number in reversed(range(20))] == once[::-1]
    assert drawn(space, 8, 3) != once[3]
    assert len({point["optim.lr"] for point in once}) == 20


def test_grid_of_choices_alone():
    assert grid({"a": Categorical(values=(1, 2)), "b": Categorical(values=("x",))}, 3) == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "x"},
    ]


def test_repeats_are_seeds():
    found = plan(repeats=3, recipe=RECIPE | {"train": {"seed": 10}})
    assert [found.recipe_of({"optim.lr": 0.5}, repeat).train.seed for repeat in range(3)] == [10, 11, 12]
    assert found.recipe_of({"optim.lr": 0.5}, 0).optim.lr == 0.5


def test_the_student_s_search_comes_with_the_package():
    found = load_plan("report")
    names = {(point["optim.name"], point["schedule.name"]) for point in grid(found.space, 3)}
    assert len(names) == found.trial_count == 9
    assert found.recipe["model"]["name"] == "pretrained_vit:B_16_imagenet1k"


def test_a_file_with_tables_or_dotted_keys(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(
        'base = "fast"\nmethod = "random"\ntrials = 4\n[recipe]\ntrain.epochs = 2\n'
        "[space.optim]\nlr = {low = 1e-4, high = 1e-2, scale = 'log'}\n"
        "[space]\n'schedule.name' = ['linear', 'cosine']\n"
    )
    found = load_plan(file)
    assert set(found.space) == {"optim.lr", "schedule.name"}
    assert found.recipe["train"]["epochs"] == 2
    again = parse_plan(found.model_dump(mode="json"), "again")
    assert again == found


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"space": {}}, "names at least one recipe key"),
        ({"space": {"optim.lr": []}}, "space.optim.lr"),
        ({"space": {"optim.lr": [1, 1]}}, "given twice"),
        ({"space": {"optim.rate": [1, 2]}}, "optim.rate is not a key"),
        ({"space": {"optim.lr": [1, -2]}}, "optim.lr = -2"),
        ({"space": {"optim.lr": {"low": 2, "high": 1}}}, "must be below high"),
        ({"space": {"optim.lr": {"low": 0, "high": 1, "scale": "log"}}}, "above 0 where scale is log"),
        ({"space": {"optim.lr": {"low": 0.5, "high": 2, "whole": True}}}, "whole numbers"),
        ({"space": {"optim.lr": {"low": math.nan, "high": 1}}}, "space.optim.lr"),
        ({"method": "random"}, "trials must be given"),
        ({"method": "anneal"}, "method"),
        ({"trial": 3}, "trial"),
        ({"repeats": 2, "space": {"train.seed": [1, 2]}}, "train.seed cannot be in the space"),
        ({"stopping": {"rule": "median", "after": 1.5}}, "stopping.after"),
        ({"space": {f"optim.lr{k}": {"low": 0, "high": 1, "points": 1000} for k in range(3)}}, "more than 10,000"),
    ],
)
def test_what_cannot_be_is_one_sentence(values, words):
    with pytest.raises(UserError, match=words):
        plan(**values)


def test_a_sweep_that_is_not_there():
    with pytest.raises(UserError, match=r"no sweep nothing.*report"):
        load_plan("nothing")
