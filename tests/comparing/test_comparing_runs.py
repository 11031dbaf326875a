"""Runs beside each other, through the command: recipes, scores, seeds, and what each got right."""

import csv
import json

import numpy as np
import pytest

from tests.screens.fake_runs import FakeRun
from vitbench.cli import main
from vitbench.recipe import parse_recipe
from vitbench.runs.event_writer import EventWriter
from vitbench.runs.store import Store
from vitbench.training.evaluation import Evaluation

CLASSES = ("cat", "dog", "owl")


def make_run(store, name, right, *, seed=0, lr=1e-3, accuracies=(0.5, 0.9, 0.7), files=None, labels=None, split="test"):
    """A run as a worker leaves it: `right` says on which pictures it is right."""
    recipe = parse_recipe({"data": {"path": "demo"}, "train": {"seed": seed}, "optim": {"lr": lr}}, "a test")
    run = Store(store).create(recipe, name)
    events = EventWriter(run.folder, first_step=1)
    for step, accuracy in enumerate(accuracies, 1):
        events.scalars(10 * step, {"validation/accuracy": accuracy, "validation/loss": 1 - accuracy})
    events.close()
    count = len(right)
    labels = np.arange(count) % 3 if labels is None else labels
    predicted = np.where(right, labels, (labels + 1) % 3)
    top = np.stack([predicted, (predicted + 1) % 3, (predicted + 2) % 3], axis=1)
    Evaluation(
        root="pictures",
        classes=CLASSES,
        file=np.array(files or [f"{number}.png" for number in range(count)]),
        label=labels,
        top5=top,
        probability=np.tile(np.array([[0.8, 0.15, 0.05]], np.float32), (count, 1)),
        loss=np.ones(count),
        batch_size=4,
    ).save(run.folder / "evaluations", split, 30)
    return run


def flags(count, *wrong):
    right = np.ones(count, dtype=bool)
    right[list(wrong)] = False
    return right


def compared(capsys, *arguments):
    assert main(["compare", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_differs_is_shown_and_nothing_else(store, capsys):
    make_run(store, "one", flags(6), lr=1e-3)
    make_run(store, "two", flags(6), lr=3e-4)
    document = compared(capsys, "one", "two")
    assert document["recipe"] == {"optim.lr": [1e-3, 3e-4]}
    assert document["scores"]["validation/accuracy"][0] == {
        "best": {"value": pytest.approx(0.9), "step": 20},
        "last": {"value": pytest.approx(0.7), "step": 30},
    }
    assert document["scores"]["validation/loss"][0]["best"]["step"] == 20
    assert main(["compare", "one", "two"]) == 0
    text = capsys.readouterr().out
    assert "optim.lr" in text
    assert "0.9 at 20" in text
    assert "right on the same pictures" in text


def test_the_paired_test_and_the_pictures_that_differ(store, tmp_path, capsys):
    make_run(store, "one", flags(40, 0, 1))
    make_run(store, "two", flags(40, 1, *range(10, 22)))
    document = compared(capsys, "one", "two")
    (test,) = document["tests"]
    assert (test["both"], test["first"], test["second"], test["neither"]) == (26, 12, 1, 1)
    # 13 coins, at most one head: (1 + 13) / 2^13, from both sides.
    assert test["p_value"] == pytest.approx(2 * 14 / 2**13)
    assert test["sentence"].startswith("one is better than two by 27.5 points")
    out = tmp_path / "differ.csv"
    assert main(["compare", "one", "two", "--out", str(out)]) == 0
    rows = list(csv.reader(out.read_text().splitlines()))
    assert rows[0] == [
        "file",
        "label",
        "prediction of one",
        "confidence of one",
        "prediction of two",
        "confidence of two",
    ]
    assert {row[0] for row in rows[1:]} == {f"{number}.png" for number in (0, *range(10, 22))}
    assert ["0.png", "cat", "dog", "0.8", "cat", "0.8"] in rows


def test_pictures_are_matched_by_name_and_not_by_place(store, capsys):
    names = [f"{number}.png" for number in range(12)]
    make_run(store, "one", flags(12, 3))
    order = [*range(11, 5, -1), *range(6)]
    make_run(store, "two", flags(12, 6 + 3), files=[names[k] for k in order], labels=np.array([k % 3 for k in order]))
    (test,) = compared(capsys, "one", "two")["tests"]
    assert (test["first"], test["second"], test["neither"]) == (0, 0, 1)


def test_pictures_that_only_one_was_given_are_counted_and_left_out(store, capsys):
    make_run(store, "one", flags(12))
    make_run(store, "two", flags(9))
    document = compared(capsys, "one", "two")
    assert (document["pictures"], document["left_out"]) == (9, 3)
    main(["compare", "one", "two"])
    assert "3 that only some were given are left out" in capsys.readouterr().out


def test_seeds_are_one_group_with_a_spread(store, capsys):
    for seed, best in enumerate((0.8, 0.9, 0.7)):
        make_run(store, f"seed {seed}", flags(6), seed=seed, accuracies=(0.5, best))
    make_run(store, "other", flags(6), lr=0.1)
    document = compared(capsys, "seed 0", "seed 1", "other", "seed 2", "--metric", "validation/accuracy")
    assert [len(group) for group in document["groups"]] == [3, 1]
    spread, alone = document["spreads"]["validation/accuracy"]
    assert spread == {
        "count": 3,
        "mean": pytest.approx(0.8),
        "low": pytest.approx(0.7),
        "high": pytest.approx(0.9),
        "deviation": pytest.approx(0.1),
    }
    assert alone["deviation"] is None
    assert len(document["tests"]) == 6
    main(["compare", "seed 0", "seed 1", "seed 2"])
    assert "3 seeds: seed 0, seed 1, seed 2" in capsys.readouterr().out


def test_without_a_common_evaluation_the_rest_is_shown(store, capsys):
    make_run(store, "one", flags(6), split="val")
    make_run(store, "two", flags(6), split="test")
    assert compared(capsys, "one", "two")["not_tested"].startswith("The runs have no evaluation of the same split")
    assert main(["compare", "one", "two", "--split", "test"]) == 2
    assert "vitbench evaluate RUN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["one"], "two runs or more"),
        (["one", "two", "--metric", "validation/f2"], "has a scalar 'validation/f2'"),
        (["one", "elsewhere"], "different pictures"),
        (["one", "relabelled"], "labelled differently"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(store, capsys, arguments, words):
    make_run(store, "one", flags(6))
    make_run(store, "two", flags(6))
    make_run(store, "elsewhere", flags(6), files=[f"other/{number}.png" for number in range(6)])
    make_run(store, "relabelled", flags(6), labels=np.array([1, 1, 2, 0, 1, 2]))
    code = main(["compare", *arguments])
    captured = capsys.readouterr()
    assert words in captured.err + captured.out
    assert code == (0 if "different" in words or "differently" in words else 2)


def test_labels_from_outside_are_data(store, tmp_path, capsys):
    make_run(store, "one\x1b[31m", flags(6, 1), files=[f"\x1b[2J{number}.png" for number in range(6)])
    make_run(store, "two", flags(6), files=[f"\x1b[2J{number}.png" for number in range(6)])
    assert main(["compare", "one\x1b[31m", "two"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_curves_of_seeds_are_saved_as_one_line_with_a_band(store, tmp_path, capsys):
    fakes = [FakeRun(store, "pets", seed=4 * number).train(200).status("finished") for number in range(3)]
    for number, fake in enumerate(fakes):
        file = fake.run.folder / "recipe.toml"
        file.write_text(file.read_text().replace("seed = 0", f"seed = {number}", 1))
    ids = [fake.id for fake in fakes]
    asked = ["compare", *ids, "--metric", "train/loss", "--group", "--curves"]
    assert main([*asked, str(tmp_path / "loss.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "loss.csv").open()))
    assert len(rows) == 20
    start = next(name for name in rows[0] if name.endswith(" mean")).removesuffix(" mean")
    assert start.endswith("(3 seeds)")
    for row in rows:
        assert float(row[f"{start} lowest"]) < float(row[f"{start} mean"]) < float(row[f"{start} highest"])
    assert main([*asked, str(tmp_path / "loss.svg")]) == 0
    assert main(["figure", "again", str(tmp_path / "loss.svg"), "--out", str(tmp_path / "again.png")]) == 0
    assert main([*asked, str(tmp_path / "loss.gif")]) == 2
    capsys.readouterr()
    assert main(["runs", "--group", "--columns", "best,train.seed", "--sort", "best", "--falling"]) == 0
    out = capsys.readouterr().out
    assert "pets (3 seeds)" in out
    assert "0, 1, 2" in out
    assert main(["runs", "--group", "--csv"]) == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert float(row["best lowest"]) < float(row["best"]) < float(row["best highest"])
    assert max(len(row[f"best{end}"]) for end in ("", " lowest", " highest")) <= 11  # no digits of single precision
    assert main(["runs", "--filter", "train.seed=1 best>0.01", "--json", "--columns", "optim.lr"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["id"] == ids[1]
    assert document["columns"]["optim.lr"] > 0
    assert main(["runs", "--columns", "no-such"]) == 2
    assert "no column 'no-such'" in capsys.readouterr().err
