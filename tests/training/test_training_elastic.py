"""Runs in two real processes under torch elastic: paused, resumed, killed by parts and whole; nothing lives on."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.training.worker_for_tests import last_weights, until, worker_recipe, write_pictures
from vitbench.runs import control
from vitbench.runs.launcher import launch
from vitbench.runs.process import marked_processes
from vitbench.runs.store import Run, Store
from vitbench.training import worker
from vitbench.training.elastic import FOLDER, RanksOutcome, read_batch, read_outcome, write_batch, write_outcome

PATIENCE = 280.0
pytestmark = pytest.mark.timeout(900)


def recipe_of(pictures: Path, processes: int = 2, **train):
    """SGD without dropout, so that one process and two agree; mixing is on, whose partners they have to keep."""
    return worker_recipe(
        pictures,
        model={"drop_rate": 0.0, "drop_path_rate": 0.0},
        optim={"name": "momentum", "lr": 0.01},
        launch={"processes": processes},
        train={"epochs": 60, "evaluate_every": 20, "checkpoint_every": 100, "ema": 0.0, **train},
    )


def ranks_of(run: Run) -> list[psutil.Process]:
    """The processes that train, without the agent."""
    found = []
    for pid in marked_processes(run.folder):
        try:
            process = psutil.Process(pid)
            if "vitbench.training.rank" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def both(run: Run) -> list[psutil.Process]:
    """Both processes, once they train."""
    until(lambda: (run.status().step or 0) > 0 or run.status().state != "running", "the first step")
    return until(lambda: (found := ranks_of(run)) and len(found) == 2 and found, "two processes")


@pytest.mark.slow
def test_a_run_in_two_processes_is_paused_resumed_and_survives_the_death_of_one(store, tmp_path):
    """It ends with the weights of one process within rounding, evaluates each picture once, and leaves no process."""
    pictures = write_pictures(tmp_path / "pictures")
    run = Store(store).create(recipe_of(pictures))
    launch(run)
    both(run)
    control.pause(run)
    assert control.wait(run, PATIENCE).state == "paused"
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")

    control.resume(run)
    began = run.status().step
    until(lambda: run.status().step > began, "a step after the resume")
    both(run)[-1].send_signal(signal.SIGKILL)
    status = control.wait(run, PATIENCE)
    assert (status.state, status.error, status.step) == ("finished", None, 60 * 6)
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")
    assert "all were started again (1)" in run.log.read_text()
    rows = (run.folder / "evaluations").glob("val-*.json")
    assert len(list(rows)) == 3

    alone = Store(store).create(recipe_of(pictures, processes=1))
    assert worker.main(alone.folder) == 0
    one, two = last_weights(alone), last_weights(run)
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


@pytest.mark.slow
def test_a_run_whose_agent_is_killed_leaves_no_process(store, tmp_path):
    run = Store(store).create(recipe_of(write_pictures(tmp_path / "pictures"), epochs=2000, evaluate_every=1000))
    launch(run)
    both(run)
    os.kill(run.status().process.pid, signal.SIGKILL)
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")
    assert run.status().state == "crashed"


@pytest.mark.slow
def test_agents_of_two_machines_train_one_run(store, tmp_path, monkeypatch):
    """Two agents on loopback with a process each, as on two nodes of a cluster: the run's worker, and another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VITBENCH_RENDEZVOUS", f"127.0.0.1:{probe.getsockname()[1]}")
    monkeypatch.setenv("VITBENCH_RENDEZVOUS_ID", "two-agents")
    monkeypatch.setenv("VITBENCH_ADDRESS", "127.0.0.1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    recipe = recipe_of(write_pictures(tmp_path / "pictures"), processes=1, epochs=2, evaluate_every=1)
    launch_table = recipe.launch.model_copy(update={"engine": "slurm", "nodes": 2})
    run = Store(store).create(recipe.model_copy(update={"launch": launch_table}))
    modules = ("vitbench.training.worker", "vitbench.training.elastic")
    agents = [subprocess.Popen([sys.executable, "-m", module, str(run.folder)]) for module in modules]
    try:
        assert [agent.wait(PATIENCE) for agent in agents] == [0, 0]
    finally:
        for agent in agents:
            agent.kill()
    assert run.status().state == "finished"
    assert sum(1 for line in run.log.read_text().splitlines() if "validation:" in line) == 2


def test_the_first_ending_counts_and_a_batch_that_does_not_fit_is_none(store, tmp_path):
    run = Store(store).create(recipe_of(write_pictures(tmp_path / "pictures")))
    (run.folder / FOLDER).mkdir()
    assert read_outcome(run) is None
    assert read_batch(run) is None
    write_outcome(run, RanksOutcome("failed", "The disk is full.", 2))
    write_outcome(run, RanksOutcome("failed", "Another process is gone.", 1))
    assert read_outcome(run) == RanksOutcome("failed", "The disk is full.", 2)
    write_batch(run, 3, 2)
    assert read_batch(run) == (3, 2)
    write_batch(run, 4, 2)
    assert read_batch(run) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "state", "words"), [("nan", "diverged", "became nan"), ("memory", "failed", "Out of memory")]
)
def test_what_goes_wrong_in_one_process_ends_the_run_in_words(store, tmp_path, monkeypatch, fault, state, words):
    """A loss of one process that is not a number, or memory that only one of them lacks."""
    write_fault(tmp_path, monkeypatch, fault)
    run = Store(store).create(recipe_of(write_pictures(tmp_path / "pictures"), batch_size=8))
    launch(run)
    status = control.wait(run, PATIENCE)
    assert (status.state, words in (status.error or "")) == (state, True), status.error
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")


@pytest.mark.slow
def test_memory_that_one_process_lacks_halves_the_batch_of_all(store, tmp_path, monkeypatch):
    write_fault(tmp_path, monkeypatch, "memory")
    run = Store(store).create(
        recipe_of(write_pictures(tmp_path / "pictures"), on_oom="halve", batch_size=8, epochs=2, evaluate_every=1)
    )
    launch(run)
    status = control.wait(run, PATIENCE)
    assert (status.state, status.error) == ("finished", None)
    assert "going on with 4 pictures per batch, and 2 batches per step" in run.log.read_text()


def write_fault(folder: Path, monkeypatch, kind: str) -> None:
    """Every new Python process of this test has rank 1 fail in its loss: with more than two pictures, or at step 5.

    What it changes is the module that is imported, after its import: a copy of it would change nothing.
    """
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(
        f"""
import importlib.util, os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name != "vitbench.training.classification":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def execute_and_change(module):
            execute(module)
            change(module.Classification)
        spec.loader.exec_module = execute_and_change
        return spec
def change(owner):
    import torch
    original, calls = owner.loss, []
    def loss(self, module, batch):
        calls.append(1)
        if {kind!r} == "memory" and len(batch.labels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        value, extras = original(self, module, batch)
        return (value * float("nan") if {kind!r} == "nan" and len(calls) == 5 else value), extras
    owner.loss = loss
if os.environ.get("RANK") == "1":
    sys.meta_path.insert(0, Watch())
"""
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", "")]))
