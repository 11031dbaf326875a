"""A recipe as a whole, before it is trained: what the data are, and what a worker would refuse."""

import tomllib

import pytest

from tests.inspector.evaluated_run import tiny_pictures
from tests.inspector.tiny_checkpoint import tiny_picture
from vitbench.cli import main
from vitbench.inspector.requests import InspectorHandlers
from vitbench.progress import silent
from vitbench.recipe import load_recipe, parse_recipe
from vitbench.training.check import check_recipe


def recipe(data, *changes: str, preset: str = "scratch"):
    return load_recipe(preset, [f'data.path="{data}"', "train.device=cpu", *changes])


def test_the_data_are_described_and_nothing_is_wrong(store, tmp_path):
    pictures = tiny_pictures(tmp_path / "pictures")
    (pictures / "train" / "red" / "bad.png").write_bytes(b"no picture")
    check = check_recipe(recipe(pictures), store)
    assert check.problems == []
    assert check.recognised[1] == "7 classes; pictures: train 21, val 21, test 21."
    assert any(line.startswith("Left out: 1, such as train/red/bad.png") for line in check.recognised)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (["model.num_classes=3"], "model.num_classes = 3, but"),
        (["model.image_size=225"], "not a multiple of the patch"),
        (["model.name=timm:vit_nothing"], "vit_nothing"),
        (["model.name=timm:deit_tiny_distilled_patch16_224", "train.head_epochs=1"], "two heads"),
        (["train.device=cuda:7"], "train.device = cuda:7"),
        (["launch.processes=2", "model.name=timm:resnet18", "train.head_epochs=0"], "each of 2 processes"),
        (["model.options={embed_dim=50,num_heads=3}"], "divisible by num_heads"),
    ],
)
def test_what_a_worker_would_refuse_is_one_sentence(store, tmp_path, changes, problem):
    pictures = tiny_pictures(tmp_path / "pictures", each=1)
    check = check_recipe(recipe(pictures, *changes), store)
    assert len(check.problems) == 1, check.problems
    assert problem in check.problems[0]
    assert check.recognised


@pytest.mark.parametrize(
    "changes",
    [
        ["model.pretrained=true"],
        ["model.pretrained=true", "model.name=pretrained_vit:B_16_imagenet1k"],
        ["model.pretrained=true", "model.name=timm:vit_tiny_patch16_224.augreg_in21k"],
    ],
)
def test_weights_that_are_not_here_and_cannot_be_had_are_a_problem(store, tmp_path, changes, monkeypatch):
    """ "Ready to start." was said, and the worker ended at once."""
    pictures = tiny_pictures(tmp_path / "pictures", each=1)
    (problem,) = check_recipe(recipe(pictures, *changes), store).problems
    assert "are not on this machine and cannot be downloaded from here" in problem
    asked = []
    monkeypatch.setattr("vitbench.models.timm_networks.check_reachable", lambda host, _: asked.append(host))
    monkeypatch.setattr("vitbench.models.fetching.check_reachable", lambda host, _: asked.append(host))
    check = check_recipe(recipe(pictures, *changes), store)
    assert check.problems == []
    assert any(f"are downloaded from {asked[0]} when the run starts" in line for line in check.recognised)


def test_a_weight_file_is_looked_at_before_the_start(store, tmp_path):
    pictures = tiny_pictures(tmp_path / "pictures", each=1)
    for weights, problem in ((tmp_path / "none.safetensors", "There is no weight file"), (tmp_path, "folder")):
        (said,) = check_recipe(recipe(pictures, f'model.weights="{weights}"'), store).problems
        assert problem in said
    (said,) = check_recipe(recipe(pictures, "model.pretrained=true", "model.name=timm:vit_nothing"), store).problems
    assert "vit_nothing" in said


def test_several_problems_are_all_told(store, tmp_path):
    for name in "abc":
        tiny_picture(tmp_path / "single" / name / "0.png")
    check = check_recipe(recipe(tmp_path / "single", "model.image_size=225"), store)
    assert "too few pictures" in check.problems[0]
    assert "not a multiple" in check.problems[1]


def test_scenes_are_not_written_by_a_look(store):
    check = check_recipe(recipe("scenes:new?count=3700&size=96"), store)
    assert "3,700 pictures of 96x96" in check.recognised[0]
    assert "37 classes" in check.recognised[0]
    assert check.pictures == 3700
    assert not (store / "scenes").exists()
    assert "at least 10 scenes" in check_recipe(recipe("scenes:new?count=3"), store).problems[0]
    assert "doors" in check_recipe(recipe("scenes:doors"), store).problems[0]


def test_a_captioner_needs_sentences(store, tmp_path):
    pictures = tiny_pictures(tmp_path / "pictures", each=1)
    check = check_recipe(recipe(pictures, preset="caption-demo"), store)
    assert check.problems
    assert check_recipe(recipe("scenes:base?count=40", preset="caption-demo"), store).problems == []


def test_command_and_request_say_the_same(store, tmp_path, capsys):
    pictures = tiny_pictures(tmp_path / "pictures", each=1)
    chosen = ["--set", f'data.path="{pictures}"', "--set", "train.device=cpu"]
    assert main(["recipe", "scratch", "--check", *chosen]) == 0
    printed = capsys.readouterr().out.splitlines()
    reply = InspectorHandlers(store).handlers["check_recipe"]({"recipe": recipe(pictures).to_toml()}, silent)
    assert printed == [*reply.values["recognised"], "Recipe, data and network fit each other."]
    assert main(["recipe", "scratch", "--check", *chosen, "--set", "model.num_classes=2"]) == 2
    assert "num_classes = 2" in capsys.readouterr().err
    assert parse_recipe(tomllib.loads(recipe(pictures).to_toml()), "test")
