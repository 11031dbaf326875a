"""A sweep as it is typed: forms of values, its file, and what it will take."""

import tomllib

import pytest

from tests.data.pictures_for_tests import course
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.rough_time import rough_seconds
from vitbench.sweeps.draft import SweepDraft
from vitbench.sweeps.outlook import outlook
from vitbench.sweeps.plan import load_plan, plan_names, plan_note
from vitbench.sweeps.typed import as_typed, typed_values


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("optim.lr", "1e-5 to 1e-2 log", {"low": 1e-5, "high": 1e-2, "scale": "log"}),
        ("optim.lr", "0 to 1", {"low": 0, "high": 1}),
        ("train.batch_size", "8 to 64 log in 4", {"low": 8, "high": 64, "scale": "log", "points": 4, "whole": True}),
        ("optim.lr", "1e-3, 1e-4,", [1e-3, 1e-4]),
        ("optim.name", "sgd, adam,adamw", ["sgd", "adam", "adamw"]),
        ("optim.name", '["sgd"]', ["sgd"]),
        ("train.ema", "true, false", [True, False]),
        ("optim.lr", "{low = 1e-4, high = 1e-2}", {"low": 1e-4, "high": 1e-2}),
        ("train.epochs", "5", 5),
        ("data.class_weights", "balanced", "balanced"),
        ("data.class_weights", "{cat = 2.0}", {"cat": 2.0}),
    ],
)
def test_values_as_people_type_them(key, text, value):
    assert typed_values(key, text) == value
    assert typed_values(key, as_typed(value)) == value, "as a ready search is shown, it is read again"


@pytest.mark.parametrize("text", ["", " , ", "[]"])
def test_no_value_at_all_is_said_with_what_may_be_written(text):
    with pytest.raises(UserError, match=r"optim.lr: no value is given; write values with commas, or a range"):
        typed_values("optim.lr", text)


@pytest.mark.parametrize(("text", "words"), [("1 to 2 cubic", "cubic"), ("1 to 2 in 0", "in N"), ("1 to 2 in", "in N")])
def test_a_range_with_other_words(text, words):
    with pytest.raises(UserError, match=words):
        typed_values("optim.lr", text)


def test_the_file_says_what_the_draft_says(tmp_path):
    draft = SweepDraft(
        base="scratch",
        data="/data/pets",
        method="random",
        trials="7",
        stopping="halving",
        keys={"optim.lr": "1e-5 to 1e-2 log", "optim.name": "sgd, adamw", "data.class_weights": "{'a b' = 2.0}"},
    )
    file = tmp_path / "sweep.toml"
    file.write_text(draft.to_toml())
    assert load_plan(file) == draft.plan()
    assert draft.plan().recipe["data"]["class_weights"] == {"a b": 2.0}


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("optim.lr", "5 to 1", "must be below high"),
        ("optim.lr", "fast, slow", 'optim.lr = "fast"'),
        ("train.epochs", "0", "train.epochs = 0"),
        ("optim.rate", "1, 2", "optim.rate is not a key"),
        ("train.seed", "1, 1", "given twice"),
    ],
)
def test_a_key_is_checked_alone(key, text, words):
    draft = SweepDraft(base="scratch", keys={"optim.lr": "1e-3, 1e-2"})
    assert words in draft.problem_of(key, text)
    assert not draft.problem_of("train.epochs", "4, 8")


def test_trials_with_fewer_epochs_than_the_warm_up_adapt_it_and_say_so():
    plan = SweepDraft(base="scratch", keys={"train.epochs": "4, 300"}).plan()
    assert plan.recipe_of({"train.epochs": 4}, 0).schedule.warmup_epochs < 4
    assert plan.recipe_of({"train.epochs": 300}, 0).schedule.warmup_epochs == 10
    (note,) = [note for note in plan.notes() if "warmup_epochs" in note]
    assert "to fit train.epochs = 4" in note


def test_the_time_is_that_of_the_runs():
    draft = SweepDraft(
        base="scratch", data="/data/pets", repeats="2", keys={"train.epochs": "12, 24", "optim.lr": "1, 2"}
    )
    plan = draft.plan()
    rough = [rough_seconds(plan.recipe_of({"train.epochs": epochs}, 0), 100) for epochs in (12, 24)]
    found = outlook(plan, 100)
    assert (found.trials, found.runs) == (4, 8)
    assert found.seconds == pytest.approx(4 * sum(rough))
    own = plan.recipe_of({}, 0).train.epochs
    assert outlook(plan, 0, measured=own, device="cuda").seconds == pytest.approx(8 * 18), "a second an epoch"
    assert outlook(plan, 0).seconds is None
    assert "not known" in outlook(plan, 0).sentence


def test_a_sweep_without_a_file_is_written_and_looked_at(tmp_path, capsys):
    pets = course(tmp_path / "pets", train=6, val=3)
    options = ["--recipe", "demo", "--data", str(pets), "--set", "train.epochs=2"]
    options += ["--space", "optim.lr=1e-4 to 1e-2 log", "--space", "optim.name=sgd,adamw", "--repeats", "2"]
    file = tmp_path / "sweep.toml"
    assert main(["sweep", *options, "--write", str(file)]) == 0
    assert set(tomllib.loads(file.read_text())["space"]) == {"optim.lr", "optim.name"}
    capsys.readouterr()
    assert main(["sweep", str(file), "--dry-run"]) == 0
    from_file = capsys.readouterr().out
    assert main(["sweep", *options, "--dry-run"]) == 0
    assert capsys.readouterr().out == from_file
    assert "6 trials, 2 seeds each: 12 runs" in from_file
    assert "classes" in from_file
    assert main(["sweep", str(file), "--method", "grid"]) == 2


@pytest.mark.parametrize("name", plan_names())
def test_what_the_app_offers_is_what_the_command_starts(name):
    assert SweepDraft.ready(name).plan() == load_plan(name)
    assert len(plan_note(name)) > 20
