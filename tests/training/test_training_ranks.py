"""Whole runs in two processes, of every task, and killed at awkward instants: they end as one process ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from joined_processes import train_ranks
from worker_for_tests import (
    die_in_evaluation,
    die_in_save,
    die_in_step,
    last_weights,
    start_worker,
    worker_recipe,
    write_pictures,
)

from tests.training.test_training_captioning import write_coco
from tests.training.test_training_multilabel import TABLES, draw_squares
from vitbench.recipe import Recipe, parse_recipe
from vitbench.runs.store import Run, Store

SGD = {
    "model": {"drop_rate": 0.0, "drop_path_rate": 0.0},
    "optim": {"name": "momentum", "lr": 0.02, "weight_decay": 0.0},
    "train": {"epochs": 3, "ema": 0.0, "checkpoint_every": 4},
}


def classifier(folder: Path) -> Recipe:
    return worker_recipe(write_pictures(folder / "pictures"), **SGD)


def probe(folder: Path) -> Recipe:
    values = classifier(folder).model_dump(exclude_none=True)
    values["data"] |= {"augment": "none", "mixup": 0.0}
    values["train"] |= {"epochs": 4, "head_epochs": 4, "clip": 0.0, "evaluate_every": 2}
    values["optim"] |= {"probe_lrs": [0.001, 0.1, 1.0]}
    return parse_recipe(values, "test")


def multilabel(folder: Path) -> Recipe:
    draw_squares(folder / "squares")
    (folder / "squares" / "labels.csv").write_text(TABLES["one-hot"][1]())
    values = worker_recipe(folder / "squares", **SGD).model_dump(exclude_none=True)
    values["task"] = "multilabel"
    values["data"] |= {"mixup": 0.0, "class_weights": "balanced"}
    return parse_recipe(values, "test")


def captioner(folder: Path) -> Recipe:
    """With two batches per step, whose captions have different lengths: a loss a token."""
    values = worker_recipe(write_coco(folder / "coco"), **SGD).model_dump(exclude_none=True)
    values["task"] = "caption"
    values["data"] = {"path": str(folder / "coco")}
    values["train"] |= {"batch_size": 5, "accumulate": 2}
    values["caption"] = {"embed_dim": 24, "depth": 1, "num_heads": 2, "max_length": 12, "drop_rate": 0.0}
    return parse_recipe(values, "test")


def run_of(store: Path, recipe: Recipe, processes: int) -> Run:
    return Store(store).create(recipe.with_changes([f"launch.processes={processes}"]))


def undisturbed(store: Path, recipe: Recipe) -> Run:
    """The run in one process."""
    run = run_of(store, recipe, 1)
    process = start_worker(run.folder)
    process.join(200)
    assert process.exitcode == 0, (run.status().error, (run.folder / "worker.log").read_text())
    return run


def assert_equal_but_for_rounding(run: Run, alone: Run) -> None:
    """The last weights, and what each evaluation says of each picture."""
    ours, theirs = last_weights(run), last_weights(alone)
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) < 1e-5
    names = {file.name for file in (alone.folder / "evaluations").iterdir()}
    assert {file.name for file in (run.folder / "evaluations").iterdir()} == names
    for name in names:
        one, other = (folder.folder / "evaluations" / name for folder in (run, alone))
        if name.endswith(".npz"):
            with np.load(one) as rows, np.load(other) as known:
                assert rows["file"].tolist() == known["file"].tolist()
                np.testing.assert_allclose(rows["loss"], known["loss"], atol=1e-4)
        elif name.endswith(".jsonl"):
            lines = [[json.loads(line) for line in file.read_text().splitlines()] for file in (one, other)]
            assert lines[0] == lines[1]


@pytest.mark.parametrize("recipe_of", [probe, multilabel, captioner])
def test_every_task_in_two_processes_is_what_it_is_in_one(recipe_of, tmp_path, store):
    recipe = recipe_of(tmp_path)
    run = run_of(store, recipe, 2)
    ending = train_ranks(run)
    assert (ending.state, ending.error) == ("finished", None)
    assert_equal_but_for_rounding(run, undisturbed(store, recipe))


def test_processes_killed_in_step_save_and_evaluation_end_as_one_that_was_not(tmp_path, store):
    recipe = classifier(tmp_path)
    run = run_of(store, recipe, 2)
    turns = [
        [None, (die_in_step, 3)],  # before there is a checkpoint
        [(die_in_save, 9), None],
        [(die_in_evaluation, 1), None],
        [(die_in_step, 4), None],
    ]
    ending = train_ranks(run, turns)
    assert (ending.state, ending.error) == ("finished", None)
    assert run.log.read_text().count("all were started again") == len(turns)
    assert_equal_but_for_rounding(run, undisturbed(store, recipe))
