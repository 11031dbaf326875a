"""What a run survives, by doing it to real worker processes: kills, pauses, a full disk, no memory, no number."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest
from training_helpers import scalars
from worker_for_tests import (
    die_in_evaluation,
    die_in_save,
    die_in_step,
    limit_file_size,
    poison_step,
    read_requests_at_each_step,
    run_out_of_memory_above,
    start_worker,
    wait_in_steps,
    worker_recipe,
    write_pictures,
)

from vitbench.recipe import Recipe
from vitbench.runs import control
from vitbench.runs.launcher import MENDABLE, launch
from vitbench.runs.lock import is_held
from vitbench.runs.process import marked_processes
from vitbench.runs.store import Run, Store

pytestmark = pytest.mark.storm
STEPS = 18
"""34 training pictures in batches of 6, three epochs."""


class Whole(NamedTuple):
    """A run that nothing interrupted."""

    store: Store
    recipe: Recipe
    run: Run
    seconds: float


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("storm")
    store, recipe = Store(folder / "store"), worker_recipe(write_pictures(folder / "pictures"))
    finish(store.create(recipe))  # the first run makes index and cache
    run = store.create(recipe)
    began = time.monotonic()
    finish(run)
    return Whole(store, recipe, run, time.monotonic() - began)


def finish(run: Run) -> None:
    ended(start_worker(run.folder))
    assert run.status().state == "finished", (run.status().error, (run.folder / "worker.log").read_text())


def ended(process: BaseProcess, timeout: float = 200.0) -> int | None:
    """The exit code of a worker that ends by itself; minus 9 after SIGKILL."""
    process.join(timeout)
    assert process.exitcode is not None, "the worker does not end"
    return process.exitcode


def final_weights(run: Run) -> bytes:
    return (run.checkpoint("last").folder / "model.safetensors").read_bytes()


def assert_equal_to_the_bit(run: Run, other: Run) -> None:
    """Weights, evaluations, and every scalar of every step, each once, are those of the other run."""
    assert run.checkpoint("last").step == other.checkpoint("last").step == STEPS
    assert final_weights(run) == final_weights(other)
    assert run.status().best == other.status().best
    for tag in ("train/loss", "train/gradient_norm", "validation/accuracy", "validation/loss"):
        assert scalars(run, tag) == scalars(other, tag)
    assert list(scalars(run, "train/loss")) == list(range(1, STEPS + 1))


def strike(run: Run, way: str, chance: random.Random, seconds: float) -> None:
    """Starts a worker and kills it with SIGKILL somewhere; it may be done before that."""
    places = {
        "step": (die_in_step, chance.randint(1, 10)),
        "save": (die_in_save, chance.randint(1, 60)),
        "evaluation": (die_in_evaluation, chance.randint(1, 8)),
    }
    if way in places:
        process = start_worker(run.folder, places[way])
    else:
        process = start_worker(run.folder)
        time.sleep(chance.uniform(0.05, seconds))
        process.kill()
    assert ended(process) in (-signal.SIGKILL, 0)
    status = run.status()
    assert status.state in ("crashed", "finished", "queued"), status
    assert not is_held(run.folder)
    for entry in run.checkpoints():
        json.loads((entry.folder / "network.json").read_text())


def test_killed_twice_anywhere_and_resumed_it_ends_with_the_same_bits(whole: Whole, storm_rounds: int) -> None:
    chance, killed = random.Random(20211), 0
    for number in range(storm_rounds):
        way = ("step", "save", "evaluation", "moment")[number % 4]
        run = whole.store.create(whole.recipe, name=f"{way}-{number}")
        for _ in range(2):
            strike(run, way, chance, whole.seconds)
            killed += run.status().state == "crashed"
            if run.status().state == "finished":
                break
        if run.status().state != "finished":
            finish(run)
        assert_equal_to_the_bit(run, whole.run)
    assert killed >= storm_rounds


def test_another_seed_gives_other_bits(whole: Whole) -> None:
    """The negative control of every equality here."""
    run = whole.store.create(whole.recipe.with_changes(["train.seed=1"]))
    finish(run)
    assert final_weights(run) != final_weights(whole.run)
    assert scalars(run, "train/loss") != scalars(whole.run, "train/loss")


def test_two_loader_processes_change_nothing(whole: Whole) -> None:
    run = whole.store.create(whole.recipe.with_changes(["data.workers=2"]))
    finish(run)
    assert_equal_to_the_bit(run, whole.run)


def test_paused_and_resumed_by_request_and_by_signal(whole: Whole, tmp_path: Path) -> None:
    run = whole.store.create(whole.recipe)
    for name in ("request", "signal"):
        gate = tmp_path / name
        process = start_worker(run.folder, (read_requests_at_each_step, None), (wait_in_steps, gate))
        until_it_runs(run, process)
        if name == "request":
            control.pause(run)
        else:
            os.kill(process.pid, signal.SIGTERM)
        gate.touch()
        assert ended(process) == 0
        status = run.status()
        assert (status.state, status.process, status.error) == ("paused", None, None)
    finish(run)
    assert_equal_to_the_bit(run, whole.run)


def test_a_hang_up_is_nothing(whole: Whole, tmp_path: Path) -> None:
    run = whole.store.create(whole.recipe)
    process = start_worker(run.folder, (wait_in_steps, tmp_path / "gate"))
    until_it_runs(run, process)
    os.kill(process.pid, signal.SIGHUP)
    (tmp_path / "gate").touch()
    assert ended(process) == 0
    assert run.status().state == "finished"
    assert_equal_to_the_bit(run, whole.run)


def test_a_full_disk_in_a_save_leaves_the_checkpoint_before_it(whole: Whole) -> None:
    run = whole.store.create(whole.recipe)
    ended(start_worker(run.folder, (die_in_step, 6)))
    good = run.checkpoint("last")
    before = {file.name: file.read_bytes() for file in good.folder.iterdir()}
    assert good.step == 4

    assert ended(start_worker(run.folder, (limit_file_size, 20_000))) == MENDABLE
    status = run.status()
    assert status.state == "failed"
    assert "cannot be written" in status.error
    assert "that of step 4 is intact" in status.error
    assert status.error in run.log.read_text()
    assert run.checkpoint("last") == good
    assert {file.name: file.read_bytes() for file in good.folder.iterdir()} == before
    assert not list((run.folder / "checkpoints").rglob("*.tmp"))

    finish(run)  # there is room again
    assert_equal_to_the_bit(run, whole.run)


def test_a_loss_that_is_no_number_ends_the_run_as_diverged(whole: Whole) -> None:
    run = whole.store.create(whole.recipe)
    assert ended(start_worker(run.folder, (poison_step, 7))) == 1
    status = run.status()
    assert status.state == "diverged"
    assert "at step 7" in status.error
    assert "the last good checkpoint is that of step" in status.error
    last = run.checkpoint("last")
    assert last.step in (4, 6)
    assert b"nan" not in (last.folder / "network.json").read_bytes()


def test_out_of_memory_goes_on_with_half_the_batch_or_says_what_fits(whole: Whole) -> None:
    halved = whole.store.create(whole.recipe.with_changes(['train.on_oom="halve"']))
    assert ended(start_worker(halved.folder, (run_out_of_memory_above, 3))) == 0
    assert halved.status().state == "finished"
    assert "going on with 3, and 2 batches per step" in halved.log.read_text()
    assert halved.checkpoint("last").step == STEPS

    stopped = whole.store.create(whole.recipe)
    assert ended(start_worker(stopped.folder, (run_out_of_memory_above, 3))) == MENDABLE
    assert stopped.status().state == "failed"
    assert "train.batch_size = 6 on cpu; 3 fits" in stopped.status().error


def test_no_loader_outlives_a_killed_worker(whole: Whole) -> None:
    """Through the launcher: detached, marked, with loaders of its own; the worker alone is killed."""
    run = whole.store.create(whole.recipe.with_changes(["data.workers=2", "train.epochs=2000"]))
    worker = launch(run)
    try:
        until(lambda: len(marked_processes(run.folder)) >= 3, 200)
        assert os.getsid(worker) == worker != os.getsid(0)
        until(lambda: run.status().step > 0, 60)
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    until(lambda: not marked_processes(run.folder) and not is_held(run.folder), 5)
    assert run.status().state == "crashed"


def until_it_runs(run: Run, process: BaseProcess) -> None:
    until(lambda: run.status().state == "running" or process.exitcode is not None)
    assert process.exitcode is None, (run.status(), (run.folder / "worker.log").read_text())


def until(condition: Callable[[], bool], timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
