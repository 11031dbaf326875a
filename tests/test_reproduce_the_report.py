"""docs/reproduce-the-report.md: each of its commands is run, on a miniature of the pets and small random networks."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench import cli
from vitbench.runs.store import Store
from vitbench.statistics import wilson_interval

PAGE = Path(__file__).parents[1] / "docs" / "reproduce-the-report.md"
SMALL = {
    "model.pretrained": "false",
    "model.image_size": "32",
    "model.options.embed_dim": "24",
    "model.options.depth": "2",
    "model.options.num_heads": "2",
    "train.device": "cpu",
    "train.epochs": "2",
    "train.batch_size": "37",
    "schedule.warmup_epochs": "1",
}
"""What makes the report's network and training small; nothing else of the commands is changed."""


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """37 classes, flat, as the homework has them; and three pictures to look at."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1)):
        (tmp_path / "pets" / split).mkdir(parents=True)
        for label in range(37):
            for number in range(count):
                pixels = random.integers(0, 255, (30, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / split / f"{label}_{number}.jpg")
    for name in "abc":
        Image.fromarray(random.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(tmp_path / f"{name}.jpg")
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_page_runs(pets, store, capsys):
    found = commands()
    assert [command[0] for command in found].count("train") == 5
    assert {"recipe", "evaluate", "predict", "positions", "attention", "caption"} <= {command[0] for command in found}
    run = ""
    for command in found:
        command = ["demo" if word in ("catr.pth", "pretrained_vit:B_16_imagenet1k") else word for word in command]
        command = [run if word == "RUN" or ":vit_base_patch16_384." in word else word for word in command]
        if command[0] == "train":
            command += [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
            command += ["--hold"] if run else ["--foreground"]  # one is trained; the others wait in the queue
        if "--before" in command:
            # What a run of random numbers started from is nothing to compare with, which is said.
            assert cli.main(command) == 2
            assert "started from random numbers" in capsys.readouterr().err
            continue
        if "--layer" in command:
            command[command.index("--layer") + 1] = "3"  # the demo's last layer
        if command[0] == "evaluate":
            command += ["--device", "cpu"]
        assert cli.main(command) == 0, (command, capsys.readouterr().err)
        said = capsys.readouterr().out
        if command[0] == "train" and not run:
            run = Store(store).newest().id
            assert Store(store).find(run).status().state == "finished"
        if command[0] == "evaluate":
            assert "/37 (" in said
    assert len(Store(store).runs()) == 5
    recipes = {one.recipe().name: one.recipe() for one in Store(store).runs()}
    assert {name: (recipe.optim.name, recipe.schedule.name) for name, recipe in recipes.items()} == {
        "sgd-cosine": ("momentum", "cosine"),
        "sgd-linear": ("momentum", "linear"),
        "sgd-constant": ("momentum", "constant"),
        "adam-cosine": ("adam", "cosine"),
        "adamw-cosine": ("adamw", "cosine"),
    }
    lines = (pets / "predictions.csv").read_text().splitlines()
    assert lines[0] == "filename,label"
    assert {line.split(",")[0] for line in lines[1:]} == {f"{label}_0.jpg" for label in range(37)}
    for name in ("learning-rate", "positions", "attention", "attention-of-the-run"):
        assert (pets / f"{name}.png").stat().st_size > 1000
    assert {file.name for file in (pets / "captions").iterdir()} == {f"{name}.png" for name in "abc"}


def test_the_interval_on_the_page_is_that_of_1421_of_1500():
    low, high = wilson_interval(1421, 1500)
    words = f"{100 * low:.1f}% to {100 * high:.1f}%"
    assert f"| the report | 1,421 | {100 * 1421 / 1500:.1f}% | {words} |" in PAGE.read_text()
