"""Runs that ask for several GPUs, or for memory: all or none, in their turn, and why they wait. NVML is false."""

import json
import os
import sys

import pytest

from tests.runs.test_runs_lease import nvml, stranger, whose
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import launcher
from vitbench.runs.launcher import launch, launch_queued
from vitbench.runs.lease import Busy, Lease, allowed_gpus, bound_lease, take
from vitbench.runs.queue import hold, start_after
from vitbench.runs.scheduler import Scheduler
from vitbench.runs.store import Store
from vitbench.runs.transition import transition

__all__ = ["nvml", "stranger"]
GB = 10**9
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def shop(nvml, store, monkeypatch):
    """Three GPUs; a run called "pair" asks for two of them. No scheduler starts by itself."""
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    monkeypatch.setattr(launcher, "gpus_wanted", lambda recipe: 2 if recipe.name.startswith("pair") else 1)
    shop = Store(store)
    yield shop
    for run in shop.runs():
        end(run)


def end(run):
    if pid := PIDS.pop(run.id, None):
        os.kill(pid, 9)
        os.waitpid(pid, 0)


PIDS: dict[str, int] = {}


def new(shop, name, device="auto"):
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}, "train": {"device": device}}
    return shop.create(Recipe.model_validate(values), name)


def start(run, **how):
    pid = launch(run, SLEEP, **how)
    if pid is not None:
        PIDS[run.id] = pid
    return pid is not None


def dispatch(shop):
    def start_one(run, **how):
        if (pid := launch_queued(run, SLEEP, **how)) is not None:
            PIDS[run.id] = pid

    scheduler = Scheduler(shop, start_one)
    scheduler.dispatch(scheduler.poll())
    return sorted(run.status().name for run in shop.runs() if run.status().state == "running")


def test_all_of_them_or_none(nvml):
    gpus = allowed_gpus()
    pair = take(gpus, count=2)
    assert isinstance(pair, Lease)
    assert pair.gpu == pair.environment()["CUDA_VISIBLE_DEVICES"] == "GPU-aa1,GPU-bb2"
    busy = take(gpus, count=2)
    assert isinstance(busy, Busy)
    assert busy.reason == (
        "1 of the 2 GPUs that it asks for is free: GPU 0 is in use by another run or command; "
        "GPU 1 is in use by another run or command."
    )
    one = take(gpus)
    assert one.gpus == ("GPU-cc3",), "what the pair did not get was not kept"
    one.close()
    pair.close()


def test_a_process_that_was_handed_several_knows_them(nvml):
    pair = take(allowed_gpus(), count=2)
    pair.bind()
    assert bound_lease() == pair
    os.close(pair.descriptors[1])
    assert bound_lease() is None
    os.close(pair.descriptors[0])


def test_several_wait_together_and_are_not_overtaken(shop):
    one, two, pair = new(shop, "one"), new(shop, "two"), new(shop, "pair")
    assert start(one)
    assert start(two)
    assert not start(pair)
    assert pair.status().waits_for.startswith("1 of the 2 GPUs that it asks for is free: GPU 0 is in use")
    late = new(shop, "late")
    assert not start(late)
    assert late.status().waits_for == "Run pair waits for 2 GPUs before it."
    assert dispatch(shop) == ["one", "two"]
    assert late.status().waits_for == "Run pair waits for 2 GPUs before it."
    end(one)
    assert dispatch(shop) == ["pair", "two"]
    assert len(pair.status().gpus) == 2
    assert late.status().waits_for.startswith("No GPU is free")
    end(pair)
    assert dispatch(shop) == ["late", "two"]


def test_a_pair_that_cannot_start_yet_claims_nothing(shop):
    runs = [new(shop, name) for name in ("one", "two")]
    for run in runs:
        start(run)
    held, follower = new(shop, "pair held"), new(shop, "pair after")
    assert not start(held)
    hold(held)
    assert not start(follower)
    start_after(follower, [runs[0]])
    assert start(new(shop, "single"))
    end(runs[0])
    transition(runs[0], "running", "finished", by="worker")
    late = new(shop, "late")
    assert not start(late)
    assert late.status().waits_for == "Run pair after waits for 2 GPUs before it."


def test_what_can_never_run_is_refused_at_once(shop, nvml, monkeypatch):
    with pytest.raises(UserError, match=r"asks for 2 GPUs, and there is 1 that it may have"):
        start(new(shop, "pair", "cuda:1"))
    with pytest.raises(
        UserError, match=r"asks for 1 GPU with 200 GB, and those that it may have have \d+, \d+, \d+ GB"
    ):
        start(new(shop, "one"), memory=200 * GB)
    monkeypatch.setenv("VITBENCH_GPUS", "")
    with pytest.raises(UserError, match="asks for 2 GPUs, and there is no GPU"):
        start(new(shop, "pair"))
    monkeypatch.delenv("VITBENCH_GPUS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    nvml.missing()
    with pytest.raises(UserError, match="cannot be seen: NVML is missing"):
        start(new(shop, "one"), memory=20 * GB)
    assert [run.status().state for run in shop.runs()] == ["queued"] * 4
    assert not any(run.status().is_waiting for run in shop.runs())


def test_any_gpu_with_so_much_memory(shop, nvml, stranger):
    nvml.gpus(
        {"uuid": "GPU-aa1", "total": 12, "free": 12},
        {"uuid": "GPU-bb2", "total": 48, "free": 10, "processes": {stranger: 38}},
    )
    run = new(shop, "one")
    assert not start(run, memory=20 * GB)
    assert run.status().waits_for == (
        "No GPU is free: GPU 0 has 12 GB, and 20 GB are asked for; "
        f"GPU 1 has 10 of 48 GB free; user {whose(stranger)} holds 38, and 20 GB are asked for."
    )
    nvml.gpus({"uuid": "GPU-aa1", "total": 12, "free": 12}, {"uuid": "GPU-bb2", "total": 48, "free": 30})
    assert dispatch(shop) == ["one"]
    assert run.status().gpus == ["GPU-bb2"]
    end(run)
    nvml.gpus({"uuid": "GPU-aa1", "total": 12, "free": 12}, {"uuid": "GPU-bb2", "total": 48, "free": 10})
    assert not start(run), "what was asked for holds for a resume too"
    assert run.status().needs_memory == 20 * GB


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "x", "1e9", "\x1b[31m", "²", "9" * 5000])
def test_memory_that_is_none_is_refused_in_a_sentence(text, store, capsys):
    assert main(["train", "tiny", "--gpu-memory", text]) == 2
    said = capsys.readouterr().err
    assert "GB" in said
    assert "Traceback" not in said
    assert "\x1b" not in said


def test_the_queue_says_what_a_run_asks_for(shop, capsys):
    for name in ("one", "two", "pair"):
        start(new(shop, name))
    capsys.readouterr()
    assert main(["queue", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["gpus"], row["gpu_memory"]) == ("pair", 2, 0)
