"""Every key of a recipe, for each task: the training asks for it, or the recipe is refused with it."""

import json

import pytest
import torch
from pydantic import BaseModel

from tests.training.test_training_captioning import recipe_for, write_coco
from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.recipe_tables import RecipeTable
from vitbench.runs.store import Run, Store
from vitbench.training import worker

TABLES = {name: field.annotation for name, field in Recipe.model_fields.items() if isinstance(field.annotation, type)}
TABLES = {name: table for name, table in TABLES.items() if issubclass(table, BaseModel)}
OTHER = {
    "data.augment": "flip",
    "data.random_erasing": 0.5,
    "data.accept_doubts": True,
    "data.value_range": [0, 4095],
    "data.class_weights": "balanced",
    "data.sampler": "balanced",
    "data.mixup": 0.2,
    "data.cutmix": 0.2,
    "data.validation_fraction": 0.3,
    "model.num_classes": 9,
    "model.drop_rate": 0.2,
    "train.head_epochs": 1,
    "train.monitor": "macro_f1",
    "optim.head_lr": 0.1,
    "caption.depth": 2,
}
"""Another value of each key that a task refuses."""


@pytest.fixture
def asked(monkeypatch):
    """The keys that are read after the recipe was parsed, as `table.key`."""
    keys, parsing = set(), [True]
    names = {table: name for name, table in TABLES.items()}
    original, parse = RecipeTable.__getattribute__, Run.recipe

    def read(self, key):
        if not parsing[-1] and type(self) in names and key in type(self).model_fields:
            keys.add(f"{names[type(self)]}.{key}")
        return original(self, key)

    def recipe(run):
        parsing.append(True)
        try:
            return parse(run)
        finally:
            parsing.pop()
            parsing[0] = False

    monkeypatch.setattr(RecipeTable, "__getattribute__", read, raising=False)
    monkeypatch.setattr(Run, "recipe", recipe)
    return keys


def out_of_memory_once(monkeypatch, owner) -> None:
    original, calls = owner.loss, []

    def loss(self, module, batch):
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, module, batch)

    monkeypatch.setattr(owner, "loss", loss)


@pytest.mark.parametrize("task", ["classify", "caption"])
def test_every_key_is_asked_for_or_refused(task, asked, store, tmp_path, monkeypatch):
    if task == "classify":
        from vitbench.training.classification import Classification as Owner

        pictures = write_pictures(tmp_path / "pictures", count=8)
        recipes = [
            worker_recipe(
                pictures, train={"epochs": 2, "on_oom": "halve", "head_epochs": head}, schedule={"name": name}
            )
            for name, head in (("wsd", 0), ("cosine", 1))
        ]
    else:
        from vitbench.training.captioning import Captioning as Owner

        folder = write_coco(tmp_path / "coco", count=8)
        train = {"epochs": 2, "evaluate_every": 1, "on_oom": "halve"}
        recipes = [
            recipe_for(folder, train=train, schedule={"name": name}, optim={"backbone_lr": rate})
            for name, rate in (("wsd", 2e-3), ("cosine", None))
        ]
    out_of_memory_once(monkeypatch, Owner)
    for run in [Store(store).create(recipe) for recipe in recipes]:  # creating one reads every key
        assert worker.main(run.folder) == 0, run.status().error
    asked = set(asked)  # changing a recipe reads keys too
    # What starts the worker reads the table launch, before there is a task.
    every = {f"{name}.{key}" for name, table in TABLES.items() for key in table.model_fields if name != "launch"}
    ignored = sorted(every - asked)
    for key in ignored:
        if task == "classify" and key.startswith("caption."):
            continue  # its table is refused as a whole, below
        with pytest.raises(UserError, match=rf"{key}.*task = |data.mixup and data.cutmix"):
            recipes[0].with_changes([f"{key}={json.dumps(OTHER[key])}"])
    if task == "classify":
        with pytest.raises(UserError, match="the table caption"):
            recipes[0].with_changes([f"caption.depth={OTHER['caption.depth']}"])
    else:
        assert "data.augment" in ignored
        assert "data.workers" in asked
    # The control: most keys are asked for, so the list of the ignored ones is short.
    assert len(asked) > 30
