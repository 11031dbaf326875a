"""The estimate of memory and time, against the recipe's own arithmetic and a training of the same recipe."""

import io
import json
import os
import resource
import statistics
import time

import pytest

from tests.runs.gpu_names import take_gpu
from vitbench.errors import UserError
from vitbench.inspector.requests import InspectorHandlers
from vitbench.inspector.server import Cancelled
from vitbench.progress import silent
from vitbench.recipe import load_recipe
from vitbench.training import estimate as room

TINY = [
    "model.image_size=32",
    "model.options={patch_size=16,embed_dim=24,depth=1,num_heads=2}",
    "train.batch_size=8",
    "train.head_epochs=0",
    "train.epochs=20",
    "train.threads=1",
]


def recipe(*changes):
    return load_recipe("scratch", [*TINY, *changes]).with_data("scenes:new?count=111&size=32")


@pytest.mark.slow
def test_a_process_of_its_own_measures_and_answers(store):
    began = time.monotonic()
    reply = InspectorHandlers(store).handlers["estimate"]({"recipe": recipe("data.workers=1").to_toml()}, silent)
    seconds, most = time.monotonic() - began, 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert 100e6 < reply.values["memory_bytes"] <= 1.05 * most, "the kernel knows the largest of all children"
    assert reply.values["steps_per_epoch"] >= 10
    # It measures up to 12 of the 12 or 13 steps, and one evaluation.
    assert 0.001 < reply.values["epoch_seconds"] < 2 * seconds
    assert "cpu" in reply.values["device"]


def test_an_epoch_is_its_steps_and_its_evaluation(store, monkeypatch):
    monkeypatch.setattr(room, "_step_seconds", lambda training: [0.5, 0.1, 0.2])
    monkeypatch.setattr(room, "_evaluation_seconds", lambda training: 3.0)
    found = room.estimate(recipe(), store)
    assert found["epoch_seconds"] == pytest.approx(statistics.median([0.5, 0.1, 0.2]) * found["steps_per_epoch"] + 3.0)


@pytest.fixture
def one_gpu(tmp_path, monkeypatch):
    """A GPU by name alone: torch sees none, so the CPU measures in its place."""
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-one")
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path / "locks"))


def test_a_gpu_that_a_run_holds_is_not_measured_on(store, one_gpu):
    run = take_gpu(["GPU-one"])
    with pytest.raises(UserError, match="in use"):
        InspectorHandlers(store).handlers["estimate"]({"recipe": recipe().to_toml()}, silent)
    run.close()


def test_the_gpu_is_held_while_it_is_measured_on(store, one_gpu, monkeypatch, capsys):
    def measured(recipe, store):
        return {"free": take_gpu(["GPU-one"]) is not None, "seen": os.environ["CUDA_VISIBLE_DEVICES"]}

    monkeypatch.setattr(room, "estimate", measured)
    monkeypatch.setattr("vitbench.runs.children.die_with_parent", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(recipe().to_toml()))
    room.main(store)
    assert json.loads(capsys.readouterr().out) == {"free": False, "seen": "GPU-one"}


def test_the_inspector_leaves_its_gpu_to_the_measurement(store, monkeypatch):
    left = []
    monkeypatch.setattr("vitbench.compose.sources.Sources.leave_gpu", lambda sources: left.append(1))
    monkeypatch.setattr("vitbench.inspector.run_requests.subprocess.Popen", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        InspectorHandlers(store).handlers["estimate"]({"recipe": recipe().to_toml()}, silent)
    assert left == [1]


def test_what_cannot_be_trained_is_refused_in_words(store, tmp_path):
    handlers = InspectorHandlers(store).handlers
    with pytest.raises(UserError, match="no data"):
        handlers["estimate"]({"recipe": load_recipe("scratch", TINY).to_toml()}, silent)


def test_a_cancelled_estimate_leaves_no_process(store, monkeypatch):
    started = []
    real = __import__("subprocess").Popen

    def noted(*arguments, **options):
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr("vitbench.inspector.run_requests.subprocess.Popen", noted)

    def cancelled(done, total, what):
        raise Cancelled

    with pytest.raises(Cancelled):
        InspectorHandlers(store).handlers["estimate"]({"recipe": recipe().to_toml()}, cancelled)
    assert started[0].poll() is not None
