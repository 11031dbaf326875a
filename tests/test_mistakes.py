"""A person's mistake, told by the command: one sentence on stderr, exit code 2, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.cli import main

TINY = [
    "--set=model.name=timm:vit_tiny_patch16_224",
    "--set=model.image_size=16",
    '--set=model.options={embed_dim=16, depth=1, num_heads=1, patch_size=8}',
    "--set=train.device=cpu",
    "--set=train.head_epochs=0",
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with pictures of two classes, a text file, and an empty folder."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("hello\n")
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for number in range(4):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / f"{label}_{number}.png")
    return tmp_path


def vitbench(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "HF_HOME": str(place / "hub"), "TORCH_HOME": str(place)}
    # A proxy that nobody answers: whatever is downloaded in spite of HF_HUB_OFFLINE fails at once.
    environment |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "vitbench", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=200)


def assert_one_sentence(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = [line for line in answer.stderr.split("\n") if line.strip()]
    said = [line for line in lines if line.startswith("vitbench: ")]
    assert answer.returncode == 2, answer
    assert len(said) == 1, answer.stderr
    assert said[0] == lines[-1]
    expected = ("starting", "training", "vitbench:", "step ")
    assert all(line.rpartition("\r")[2].startswith(expected) for line in lines), lines
    assert "Traceback" not in answer.stdout + answer.stderr
    for word in words:
        assert word in said[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "demo", "--data", "nowhere"], ["nowhere"]),
        (["train", "demo", "--data", "note.txt"], ["note.txt", "filename and label"]),
        (["train", "demo", "--data", "empty"], ["no pictures", "empty"]),
        (["train", "demo", "--data", "pictures", "--set", "train.epoch=3"], ["train.epoch", "train.epochs"]),
        (["train", "demo", "--data", "pictures", "--set", "train.epochs=many"], ["train.epochs", "many"]),
        (["train", "demmo", "--data", "pictures"], ["demmo", "demo"]),
        (["train", "pictures"], ["is a folder"]),
        (["train", "scratch", "--data", "pictures", "--set", "model.weights=gone.pth"], ["gone.pth"]),
        (
            ["train", "scratch", "--data", "pictures", "--set", "model.num_classes=1"],
            ["model.num_classes = 1", "2 classes"],
        ),
        (["show", "nothing"], ["no run", "nothing"]),
        (["data", "note.txt"], ["note.txt"]),
    ],
)
def test_told_before_anything_starts(
    place: Path,
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    code = main(arguments)
    answer = subprocess.CompletedProcess(arguments, code, *capsys.readouterr())
    assert_one_sentence(answer, *words)
    assert answer.stdout == ""
    assert not (place / "store" / "runs").exists()


def test_told_by_the_real_command(place: Path) -> None:
    answer = vitbench(place, "train", "demo", "--data", "nowhere")
    assert_one_sentence(answer, "nowhere")
    assert answer.stdout == ""


@pytest.mark.slow
def test_told_by_the_worker_in_the_foreground(place: Path) -> None:
    """Released weights without a network to fetch them from."""
    changes, words = ["--set=model.pretrained=true", "--set=model.options={}"], ["model.weights"]
    answer = vitbench(place, "train", "scratch", "--data", "pictures", *TINY, *changes, "--foreground")
    assert_one_sentence(answer, *words)
    assert answer.stdout.count("\n") == 1  # the id of the run, which says the same
    assert words[0] in vitbench(place, "show", answer.stdout.strip()).stdout


@pytest.mark.slow
def test_a_weight_file_that_is_none(place: Path) -> None:
    changes = [*TINY, "--set=model.weights=note.txt"]
    answer = vitbench(place, "train", "scratch", "--data", "pictures", *changes, "--foreground")
    assert_one_sentence(answer, "note.txt")
