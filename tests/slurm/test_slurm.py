"""Runs on a real SLURM of one node: `make test-slurm`. Nothing here runs without it: it takes root and minutes."""

import os
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest

from tests.training import worker_for_tests
from tests.training.worker_for_tests import last_weights, worker_recipe, write_pictures
from vitbench.errors import UserError
from vitbench.runs import control
from vitbench.runs.launcher import launch
from vitbench.runs.process import marked_processes
from vitbench.runs.queue import attend
from vitbench.runs.slurm import jobs_of
from vitbench.runs.store import Run, Store
from vitbench.sweeps.manager import Manager
from vitbench.sweeps.plan import Plan
from vitbench.sweeps.store import create_sweep

pytestmark = [
    pytest.mark.skipif("VITBENCH_TEST_SLURM" not in os.environ, reason="make test-slurm runs these"),
    pytest.mark.timeout(3600),
]
PATIENCE = 900.0
KILL_WAIT = 30.0
until = partial(worker_for_tests.until, patience=PATIENCE)


@pytest.fixture(scope="session", autouse=True)
def cluster(tmp_path_factory):
    """A cluster of its own for these tests."""
    folder = tmp_path_factory.mktemp("cluster")
    script = Path(__file__).with_name("one_node_cluster.sh")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    subprocess.run(["bash", script, "start", folder], check=True)
    yield
    subprocess.run(["bash", script, "stop", folder], check=True)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


def look(run: Run):
    """What the app and `vitbench runs` do: look, and attend to what is seen."""
    status = run.status()
    attend(Store(run.store_folder), [(run, status)])
    return status


def recipe_of(pictures: Path, launch=None, **train):
    table = {"engine": "slurm", "partition": "low", "time": "0:30:00", **(launch or {})}
    train = {"epochs": 60, "evaluate_every": 30, "checkpoint_every": 100, **train}
    return worker_recipe(pictures, launch=table, train=train)


def urgent_job(seconds: int) -> None:
    """A job of the partition that preempts the other."""
    command = ["sbatch", "--partition=high", "--exclusive", "--output=/dev/null", f"--wrap=sleep {seconds}"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_preempted_run_saves_in_time_waits_and_ends_as_if_nothing_had_been(store, pictures, processes):
    run = Store(store).create(recipe_of(pictures, {"processes": processes}))
    assert launch(run) is None
    assert run.status().state == "queued"
    until(lambda: look(run).step > 20, "its first steps")
    began = time.monotonic()
    urgent_job(5)
    until(lambda: look(run).state == "queued", "its return to the queue")
    assert time.monotonic() - began < KILL_WAIT
    saved = max(entry.step for entry in run.checkpoints())
    assert 20 < saved < 360
    words = until(lambda: (said := look(run).waits_for or "") and "waits:" in said and said, "SLURM's reason")
    print(words)
    until(lambda: look(run).state == "finished", "its end")
    assert f"Going on from the checkpoint of step {saved:,} " in run.log.read_text()
    assert run.status().slurm_job.isdigit()
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")

    launch_table = {"engine": "local", "partition": "", "processes": processes}
    undisturbed = Store(store).create(recipe_of(pictures, launch_table))
    launch(undisturbed)
    assert control.wait(undisturbed, PATIENCE).state == "finished"
    one, other = last_weights(run), last_weights(undisturbed)
    assert all(one[name].equal(other[name]) for name in other)


def test_it_is_paused_resumed_and_stopped_like_any_other(store, pictures):
    run = Store(store).create(recipe_of(pictures, epochs=2000))
    launch(run)
    until(lambda: look(run).step > 10, "its first steps")
    first = run.status().slurm_job
    control.pause(run)
    assert control.wait(run, PATIENCE).state == "paused"
    until(lambda: first not in (jobs_of([first]) or {}), "the end of its job")
    step = run.status().step
    assert control.resume(run).startswith("waits")
    until(lambda: look(run).step > step, "a step after the resume")
    assert run.status().slurm_job != first
    control.stop(run)
    assert control.wait(run, PATIENCE).state == "stopped"
    until(lambda: not (jobs_of([run.status().slurm_job]) or {}), "the end of its job")


def test_it_is_requeued_before_its_time_is_over(store, pictures):
    """A job of three minutes, asked to save a minute before; SLURM looks at its clock twice a minute."""
    run = Store(store).create(recipe_of(pictures, {"time": "0:03:00"}, epochs=40000, evaluate_every=40000))
    launch(run)
    until(lambda: look(run).step > 10, "its first steps")
    until(lambda: look(run).state == "queued", "its return to the queue")
    saved, job = max(entry.step for entry in run.checkpoints()), run.status().slurm_job
    until(lambda: look(run).step > saved, "a step of its second turn")
    assert run.status().slurm_job == job
    assert f"Going on from the checkpoint of step {saved:,} " in run.log.read_text()
    control.kill(run, 120)
    assert run.status().state == "stopped"
    assert until(lambda: not marked_processes(run.folder), "the end of all processes")
    until(lambda: not (jobs_of([run.status().slurm_job]) or {}), "the end of its job")


def test_a_run_that_waits_is_paused_without_a_trace_and_a_cancelled_one_fails_in_words(store, pictures):
    subprocess.run(["scontrol", "update", "PartitionName=low", "State=DOWN"], check=True)
    try:
        run = Store(store).create(recipe_of(pictures))
        launch(run)
        until(lambda: "waits: " in (look(run).waits_for or ""), "SLURM's reason")
        job = run.status().slurm_job
        control.pause(run)
        assert run.status().state == "paused"
        until(lambda: job not in (jobs_of([job]) or {}), "the end of its job")
        control.resume(run)
        until(lambda: "waits: " in (look(run).waits_for or ""), "SLURM's reason")
        subprocess.run(["scancel", run.status().slurm_job], check=True)
        until(lambda: look(run).state == "failed", "its failure")
        assert "cancelled there" in (run.status().error or "")
    finally:
        subprocess.run(["scontrol", "update", "PartitionName=low", "State=UP"], check=True)


def test_a_sweep_is_one_job_array(store, pictures):
    plan = Plan.model_validate(
        {
            "parallel": 2,
            "space": {"optim.lr": [0.001, 0.003, 0.01]},
            "recipe": recipe_of(pictures, epochs=2, evaluate_every=1).model_dump(exclude_none=True),
        }
    )
    sweep = create_sweep(Store(store), plan)
    Manager(sweep).run()
    assert sweep.state() == ("finished", "")
    statuses = [run.status() for run in Store(store).runs()]
    assert [status.state for status in statuses] == ["finished"] * 3
    arrays = {status.slurm_job.partition("_")[0] for status in statuses}
    assert len(arrays) == 1
    assert sorted(status.slurm_job.partition("_")[2] for status in statuses) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("launch_table", "device", "words"),
    [
        ({"gpus": 2}, "auto", "asks for 2 GPUs per node, and partition low offers none"),
        ({"nodes": 3}, "cpu", "asks for 3 nodes, and partition low has 1"),
        ({"time": "5:00:00"}, "cpu", "more than the 120 minutes"),
        ({"partition": "fast"}, "cpu", "no partition fast; it has high, low"),
    ],
)
def test_what_the_partition_cannot_offer_is_refused_in_words(store, pictures, launch_table, device, words):
    run = Store(store).create(recipe_of(pictures, launch_table, device=device))
    with pytest.raises(UserError, match=words):
        launch(run)
    assert run.status().state == "queued"
    assert not run.status().is_waiting
