"""A run that begins with another's weights."""

import json

import pytest
import torch

from tests.training.test_training_captioning import recipe_for, write_coco
from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.models.weight_files import read_weights
from vitbench.progress import silent
from vitbench.runs import launcher
from vitbench.runs.about import read_about
from vitbench.runs.beginning import begin_from, recipe_from
from vitbench.runs.log import read_log
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.training.open_task import open_recipe_task
from vitbench.training.starting import take_start

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A store with a run that has finished its epoch."""
    folder = tmp_path_factory.mktemp("parent")
    recipe = worker_recipe(write_pictures(folder / "pictures"), train={"epochs": 1, "checkpoint_every": 0})
    run = Store(folder / "store").create(recipe, "parent")
    assert worker.main(run.folder) == 0
    return run


def store_of(run):
    return Store(run.store_folder)


def opened(run):
    task, _ = open_recipe_task(run, CPU, silent)
    return task, take_start(run, task)


def test_the_child_begins_with_the_checkpoint_to_the_bit(parent):
    child = begin_from(store_of(parent), parent, recipe_from(parent, ["optim.lr=0.01"]), checkpoint="last")
    task, sentence = opened(child)
    saved = read_weights(parent.checkpoint("last").folder / "model.safetensors")
    state = task.network.module.state_dict()
    assert state.keys() == saved.keys()
    assert all(torch.equal(state[name], saved[name]) for name in saved)
    assert f"run {parent.id} after step" in sentence
    assert not task.network.untrained
    about = read_about(child)
    assert (about.parent.id, about.parent.name) == (parent.id, "parent")
    assert child.recipe().optim.lr == 0.01


def test_it_trains_and_says_from_where(parent, capsys):
    child = begin_from(store_of(parent), parent, parent.recipe(), checkpoint="best", name="child")
    assert worker.main(child.folder) == 0
    first = next(read_log(child.log))
    assert f"Begins with the weights of run {parent.id}" in first.text
    assert child.status().state == "finished"
    assert main(["show", "child", "--store", str(child.store_folder)]) == 0
    assert "from         parent at step" in capsys.readouterr().out


def test_the_weights_stay_when_the_parent_is_gone(parent, tmp_path):
    import shutil

    store = Store(tmp_path / "other")
    store.runs_folder.mkdir(parents=True)
    copy = store.runs_folder / parent.id
    shutil.copytree(parent.folder, copy)
    child = begin_from(store, store.find(parent.id), parent.recipe(), checkpoint="last")
    store.remove(store.find(parent.id))
    _, sentence = opened(child)
    assert "Begins with the weights" in sentence


def test_another_image_size_resamples_the_positions(parent):
    child = begin_from(store_of(parent), parent, recipe_from(parent, ["model.image_size=32"]), checkpoint="last")
    task, _ = opened(child)
    state = task.network.module.state_dict()
    saved = read_weights(parent.checkpoint("last").folder / "model.safetensors")
    assert state["pos_embed"].shape == (1, 17, 16)
    assert saved["pos_embed"].shape == (1, 5, 16)
    assert torch.equal(state["blocks.0.mlp.fc1.weight"], saved["blocks.0.mlp.fc1.weight"])


def test_other_classes_keep_a_new_head(parent, tmp_path):
    pictures = write_pictures(tmp_path / "pictures", classes=("red", "green", "blue", "grey"))
    recipe = parent.recipe().with_data(str(pictures))
    child = begin_from(store_of(parent), parent, recipe, checkpoint="last")
    task, sentence = opened(child)
    assert task.network.module.state_dict()["head.weight"].shape[0] == 4
    assert "its head has another number of classes and begins anew" in sentence


def test_another_network_is_refused_in_a_sentence(parent):
    child = begin_from(store_of(parent), parent, recipe_from(parent, ["model.options.depth=3"]), checkpoint="last")
    with pytest.raises(UserError, match=r"is not of this network \(blocks.2"):
        opened(child)


def test_a_captioner_takes_its_words_along(tmp_path):
    data = write_coco(tmp_path / "coco")
    store = Store(tmp_path / "store")
    run = store.create(recipe_for(data), "captions")
    assert worker.main(run.folder) == 0
    child = begin_from(store, run, run.recipe(), checkpoint="last")
    task, _ = opened(child)
    saved = read_weights(run.checkpoint("last").folder / "model.safetensors")
    state = task.network.module.state_dict()
    assert all(torch.equal(state[name], saved[name]) for name in saved)
    assert (child.folder / "tokenizer.json").read_text() == (run.folder / "tokenizer.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "parent@99999"], "has no checkpoint '99999'"),
        (["--from", "nobody@last"], "There is no run 'nobody'"),
        ([], "Give a recipe or a preset, or --from RUN"),
        (["tiny", "--from", "parent"], "one of the two"),
        (["--from", "parent", "--set", "optim.rate=1"], "optim.rate"),
    ],
)
def test_what_cannot_be_is_one_sentence(parent, capsys, arguments, words):
    assert main(["train", *arguments, "--store", str(parent.store_folder)]) == 2
    assert words in capsys.readouterr().err


def test_a_child_is_called_after_its_parent_with_a_number(parent):
    names = [begin_from(store_of(parent), parent, recipe_from(parent)).status().name for _ in range(2)]
    first, second = (int(name.removeprefix("parent ")) for name in names)
    assert second == first + 1
    child = store_of(parent).find(names[1])
    assert begin_from(store_of(parent), child, recipe_from(child)).status().name == f"parent {second + 1}"


def test_the_command_clones_and_begins(parent, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "launch", lambda run, **how: 1)
    store = ["--store", str(parent.store_folder)]
    assert main(["train", "--from", "parent", "--set", "train.seed=5", "--name", "clone", *store]) == 0
    assert main(["train", "--from", "parent@last", "--name", "continued", *store]) == 0
    capsys.readouterr()
    assert main(["show", "clone", "--json", *store]) == 0
    clone = json.loads(capsys.readouterr().out)
    assert clone["recipe"]["train"]["seed"] == 5
    assert clone["about"]["parent"] is None
    assert main(["show", "continued", "--json", *store]) == 0
    assert json.loads(capsys.readouterr().out)["about"]["parent"]["id"] == parent.id
