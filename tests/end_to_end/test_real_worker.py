"""A real worker, started from the app: it outlives the line, the app, and after a kill it is offered to be resumed."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray
from terminal import Terminal

from vitbench.recipe import Recipe, parse_recipe
from vitbench.runs import control
from vitbench.runs.events import event_files
from vitbench.runs.log import read_log
from vitbench.runs.status import Status, read_status, write_status
from vitbench.runs.store import Run, Store

pytestmark = pytest.mark.timeout(1500)
PATIENCE = 900.0
"""Seconds for a worker to import torch and train, on a machine that does other work too."""


def recipe() -> Recipe:
    """A ViT of two small blocks from random weights, on pictures that are made in a second."""
    tiny = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 8}
    values = {
        "model": {"name": "timm:vit_tiny_patch16_224", "image_size": 16, "options": tiny},
        "data": {"path": "scenes:new?count=300&size=48&seed=0", "augment": "none"},
        "train": {
            "epochs": 60,
            "batch_size": 32,
            "device": "cpu",
            "threads": 1,
            "log_every": 1,
            "checkpoint_every": 40,
            "evaluate_every": 30,
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }
    return parse_recipe(values, "test")


@pytest.fixture
def run(store: Path) -> Iterator[Run]:
    """A paused run: one key starts its worker as a child of the app."""
    made = Store(store).create(recipe(), "pets")
    write_status(made.folder, made.status().model_copy(update={"state": "paused"}))
    yield made
    control.kill(made)


def wait_for(run: Run, condition: Callable[[Status], bool], app: Terminal | None = None) -> Status:
    """Looks at the run until the condition holds, drawing the app meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not condition(status := read_status(run.folder)):
        assert time.monotonic() < deadline, (status, (run.folder / "worker.log").read_text())
        assert status.error is None, status.error
        if app is not None:
            app.pump()
        time.sleep(0.02)
    return status


def start_from(app: Terminal, run: Run) -> None:
    app.wait_for("pets", "paused")
    app.press("p")
    wait_for(run, lambda status: status.step >= 1, app)


def checkpoints_told(run: Run) -> list[str]:
    """The lines of the log that tell of a checkpoint, which is whole before it is told."""
    return [line.text for line in read_log(run.log) if "Saved the checkpoint" in line.text]


def trained_steps(run: Run) -> list[int]:
    """The steps of the training loss in all event files, as TensorBoard reads them."""
    events = [event for file in event_files(run.folder) for event in EventFileLoader(str(file)).Load()]
    assert all(make_ndarray(value.tensor).size == 1 for event in events for value in event.summary.value)
    return [event.step for event in events for value in event.summary.value if value.tag == "train/loss"]


def test_a_training_outlives_the_line_and_the_app(run: Run, store: Path) -> None:
    with Terminal(store) as app:
        start_from(app, run)
        app.hang_up()
        app.child.wait()
        assert app.child.signalstatus == signal.SIGHUP
    midway = read_status(run.folder)
    assert midway.state == "running"
    assert midway.step < midway.total_steps

    with Terminal(store) as app:
        app.wait_until(lambda: "pets" in app.text and ("running" in app.text or "finished" in app.text), "the run")
        app.press("q")
        app.seconds_to_end()

    end = wait_for(run, lambda status: status.state != "running")
    assert (end.state, end.step) == ("finished", end.total_steps)
    assert trained_steps(run) == list(range(1, end.total_steps + 1))
    assert len(event_files(run.folder)) == 1
    with Terminal(store) as app:
        app.wait_for("pets", "finished")


@pytest.mark.slow
def test_a_killed_worker_is_told_of_and_resumed(run: Run, store: Path) -> None:
    with Terminal(store) as app:
        start_from(app, run)
        process = wait_for(run, lambda _: bool(checkpoints_told(run)), app).process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        app.wait_for("pets has crashed: its process is gone", "Resume from the last checkpoint (p)")
        saved = checkpoints_told(run)[-1]
        app.wait_for(saved)
        app.press("p")
        app.wait_for("goes on from its last checkpoint")
        end = wait_for(run, lambda status: status.state == "finished", app)
        app.wait_for("finished")
        app.press("enter")
        app.wait_for("E evaluate")
        app.press("E")
        app.wait_for("its own test split")
        app.press("enter")
        app.wait_for("Test set: Average loss: ", patience=PATIENCE)
        kept = max((run.folder / "evaluations").glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        counted = json.loads(kept.read_text())
        assert f"Accuracy: {counted['correct']}/{counted['pictures']} (" in app.text
    assert end.step == end.total_steps
    assert any("Going on from the checkpoint" in line.text for line in read_log(run.log))
    assert set(trained_steps(run)) == set(range(1, end.total_steps + 1))


@pytest.mark.slow
def test_a_worker_that_died_while_nobody_looked(run: Run, store: Path) -> None:
    """Started later, the app says so once, and then no more."""
    with Terminal(store) as app:
        start_from(app, run)
        app.press("q")
        app.seconds_to_end()
    process = read_status(run.folder).process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    with Terminal(store) as app:
        app.wait_for("has crashed: its process is gone", "Resume from the last checkpoint (p)")
        # The log's end: how far it came until it was killed is the machine's affair.
        app.wait_until(lambda: "Starting on" in app.text or "Saved the checkpoint" in app.text, "the log")
        app.press("escape")
        app.wait_without("Resume from the last checkpoint")
        app.wait_for("crashed")
        app.press("q")
        app.seconds_to_end()
    with Terminal(store) as app:
        app.wait_for("crashed", "q leave")
        app.settle(1.5)
        assert "Resume from the last checkpoint" not in app.text
