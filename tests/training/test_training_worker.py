"""What a worker leaves when its work is done."""

import signal

import psutil

from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.runs.store import Store
from vitbench.training import worker
from vitbench.training.open_task import open_recipe_task


def test_the_loader_s_processes_end_before_the_worker_does(store, tmp_path):
    """Up to torch 2.14 the end of a process waits five seconds for each of them, and keeps its GPU as long."""
    recipe = worker_recipe(write_pictures(tmp_path / "pictures"), data={"workers": 2}, train={"epochs": 1})
    run = Store(store).create(recipe)
    before = set(psutil.Process().children())
    tasks, during = [], set()

    def opening(run, device, progress):
        task, fingerprint = open_recipe_task(run, device, progress)
        original = task.evaluate

        def evaluate(*arguments, **options):
            during.update(set(psutil.Process().children()) - before)
            return original(*arguments, **options)

        task.evaluate = evaluate
        tasks.append(task)  # somebody still has it, as a reference cycle may
        return task, fingerprint

    assert worker.main(run.folder, opening) == 0
    assert len(during) == 2
    assert set(psutil.Process().children()) - before == set()
    assert tasks


def test_signals_are_given_back(store, tmp_path):
    """A process that is forked later would take a worker's handlers along, and not end when it is asked to."""
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    recipe = worker_recipe(write_pictures(tmp_path / "pictures"), train={"epochs": 1, "checkpoint_every": 0})
    assert worker.main(Store(store).create(recipe).folder) == 0
    assert [signal.getsignal(number) for number in numbers] == before
