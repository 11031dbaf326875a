"""GPUs go to one run each and to the next one when it ends; nothing is lost when a scheduler is killed. Fake UUIDs."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from tests.runs.gpu_names import take_gpu, usable_gpus
from tests.runs.run_helpers import schedulers
from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import control
from vitbench.runs.events import EventReader, event_files
from vitbench.runs.launcher import exit_code, launch, launch_queued, wait_until_taken
from vitbench.runs.lock import is_held
from vitbench.runs.queue import start_scheduler, write_down_crash
from vitbench.runs.scheduler import Scheduler
from vitbench.runs.status import read_status
from vitbench.runs.store import Run, Store

# A stand-in worker: it says what it was given, and ends when it is asked to stop.
WORKER = """
import os, sys, time
from pathlib import Path
from vitbench.runs.lock import RunLock
from vitbench.runs.process import this_process
from vitbench.runs.status import read_status
from vitbench.runs.store import Run
from vitbench.runs.transition import transition
run = Run(Path(sys.argv[1]))
lock = RunLock.of_worker(run.folder)
assert lock.acquire(patience=0)
assert read_status(run.folder).state == "running"
(run.folder / "visible").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
transition(run, "running", "running", by="worker", process=this_process())
while "stop" not in run.requests():
    time.sleep(0.02)
transition(run, "running", "stopped", by="worker")
"""


@pytest.fixture
def shop(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-fake-1, GPU-fake-2")
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path / "locks"))
    shop = Store(store)
    yield shop
    for run in shop.runs():
        control.kill(run)


def new(shop: Store, device: str = "auto") -> Run:
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}, "train": {"device": device}}
    return shop.create(Recipe.model_validate(values))


def command(run: Run) -> list[str]:
    return [sys.executable, "-c", WORKER, str(run.folder)]


def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begun(run: Run) -> Run:
    until(lambda: run.status().process is not None)
    return run


@pytest.fixture
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Launching does not start a scheduler; the answer names the stores for which it would have."""
    asked: list[Path] = []
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", asked.append)
    return asked


def test_two_gpus_three_runs(shop: Store, no_scheduler: list[Path]) -> None:
    runs = [new(shop) for _ in range(3)]
    pids = [launch(run, command(run)) for run in runs]
    assert pids[2] is None
    assert no_scheduler == [shop.folder]
    for run, pid, uuid in zip(runs, pids, ("GPU-fake-1", "GPU-fake-2"), strict=False):
        wait_until_taken(run, pid)
        assert begun(run).status().gpus == [uuid]
        assert (run.folder / "visible").read_text() == uuid
    assert runs[2].status().is_waiting
    assert take_gpu(usable_gpus()) is None

    tried: list[int | None] = []

    def start(run: Run) -> int | None:
        tried.append(launch_queued(run, command(run)))
        return tried[-1]

    thread = threading.Thread(target=Scheduler(shop, start, 0.05).run)
    thread.start()
    until(lambda: len(tried) >= 3)
    assert set(tried) == {None}
    assert runs[2].status().is_waiting
    control.stop(runs[1])
    assert begun(runs[2]).status().gpus == ["GPU-fake-2"]
    thread.join(10)  # nothing waits any more
    assert not thread.is_alive()
    os.kill(begun(runs[0]).status().process.pid, signal.SIGKILL)
    until(lambda: take_gpu(["GPU-fake-1"]))


def test_running_is_written_before_the_worker_speaks_and_the_lock_goes_over_to_it(shop: Store) -> None:
    run = new(shop)
    silent = [sys.executable, "-c", "import time; time.sleep(600)"]
    pid = launch(run, silent)
    assert (run.status().state, run.status().process) == ("running", None)
    assert is_held(run.folder)
    with pytest.raises(UserError, match="running already"):
        launch(run, silent)
    os.kill(pid, signal.SIGKILL)
    until(lambda: exit_code(pid) is not None)
    until(lambda: not is_held(run.folder))
    assert run.status().state == "crashed"
    assert "worker.log" in run.status().error


def test_a_machine_without_a_gpu_starts_at_once(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITBENCH_GPUS", "")
    assert usable_gpus() == []
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-fake-1")
    held = take_gpu(["GPU-fake-1"])
    assert held is not None
    on_cpu = new(shop, "cpu")
    assert launch(on_cpu, command(on_cpu)) is not None
    assert begun(on_cpu).status().gpus == []
    held.close()


def test_a_named_gpu_is_waited_for_and_one_that_is_not_there_is_refused(shop: Store, no_scheduler: list[Path]) -> None:
    held = take_gpu(["GPU-fake-2"])
    assert held is not None
    assert launch(new(shop, "cuda:1")) is None
    absent = new(shop, "cuda:2")
    with pytest.raises(UserError, match="there are 2 GPUs"):
        launch(absent)
    assert not is_held(absent.folder)
    held.close()


def test_a_run_that_can_never_start_is_failed_by_the_scheduler(shop: Store, no_scheduler: list[Path]) -> None:
    held = [take_gpu(usable_gpus()) for _ in range(2)]
    run = new(shop)
    assert launch(run) is None
    (run.folder / "recipe.toml").write_text("[model]\nnam = 3\n")
    Scheduler(shop, pause=0.01).run()
    assert run.status().state == "failed"
    assert "nam" in run.status().error
    for gpu in held:
        gpu.close()


def test_a_waiting_run_is_paused_and_resumed_in_its_turn(shop: Store, no_scheduler: list[Path]) -> None:
    held = [take_gpu(usable_gpus()) for _ in range(2)]
    first, second = new(shop), new(shop)
    for run in (first, second):
        launch(run, command(run))
    control.pause(first)
    assert first.status().state == "paused"
    assert launch_queued(first, command(first)) is None
    control.resume(first)
    assert first.status().is_waiting
    held[0].close()
    started: list[Run] = []

    def start(run: Run) -> int | None:
        pid = launch_queued(run, command(run))
        if pid is not None:
            started.append(run)
            held[1].close()  # so that the other one can start too
        return pid

    Scheduler(shop, start, pause=0.01).run()
    assert [run.id for run in started] == [second.id, first.id]
    for run in started:
        begun(run)


def test_one_scheduler_a_store_and_a_killed_one_is_replaced(shop: Store) -> None:
    """The real process, detached; the run that it starts ends at once, since its recipe has no data."""
    held = [take_gpu(usable_gpus()) for _ in range(2)]
    run = new(shop)
    launch(run)
    lock = shop.folder / f"scheduler.{os.uname().nodename}.lock"
    until(lock.exists)
    until(lambda: schedulers(shop))
    (first,) = schedulers(shop)
    assert os.getsid(first) == first
    one_too_many = start_scheduler(shop.folder)
    until(lambda: exit_code(one_too_many) is not None)
    assert schedulers(shop) == [first]
    os.kill(first, signal.SIGKILL)
    until(lambda: exit_code(first) is not None)
    assert run.status().is_waiting
    second = start_scheduler(shop.folder)
    for gpu in held:
        gpu.close()
    until(lambda: run.status().state == "failed", 200)
    assert "pictures" in run.status().error
    until(lambda: exit_code(second) is not None)
    assert schedulers(shop) == []


def test_the_dead_are_written_down(shop: Store) -> None:
    run = new(shop)
    pid = launch(run, command(run))
    begun(run)
    write_down_crash(run)
    assert read_status(run.folder).state == "running"
    os.kill(pid, signal.SIGKILL)
    until(lambda: exit_code(pid) is not None)
    Scheduler(shop).run()
    status = read_status(run.folder)
    assert (status.state, status.process, status.gpus) == ("crashed", None, [])
    assert status.ended_at is not None


def test_a_gpu_is_held_by_one_of_many_that_want_it_at_once(shop: Store) -> None:
    context = multiprocessing.get_context("fork")
    ready, all_tried, taken = context.Barrier(4), context.Barrier(4), context.SimpleQueue()
    processes = [context.Process(target=_take, args=("GPU-fake-3", ready, all_tried, taken)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sorted(taken.get() for _ in processes) == [False, False, False, True]


def _take(uuid: str, ready: Barrier, all_tried: Barrier, taken: Any) -> None:
    ready.wait(30)
    gpu = take_gpu([uuid])
    all_tried.wait(30)  # the one that has it holds it until then
    taken.put(gpu is not None)


def test_a_store_shows_a_run_only_when_it_is_whole(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, status: object) -> None:
        assert shop.runs() == []
        raise OSError("no room")

    monkeypatch.setattr("vitbench.runs.store.write_status", full)
    with pytest.raises(UserError, match=r"No run can be made in .*no room"):
        new(shop)
    assert list(shop.runs_folder.iterdir()) == []


def test_a_full_disk_leaves_whole_records_and_loses_none_when_there_is_room_again(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from vitbench.runs.event_writer import EventWriter
writer = EventWriter(Path(sys.argv[1]))
failures = 0
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for step in range(60):
    if step == 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    writer.scalars(step, {"loss": float(step)})
    try:
        writer.flush()
    except OSError:
        failures += 1
        if failures == 1:
            Path(sys.argv[1], "copy").write_bytes(next(Path(sys.argv[1]).glob("events*")).read_bytes())
writer.close()
print(failures)
"""
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    failures = int(answer.stdout)
    assert 5 < failures < 40
    reader = EventReader(tmp_path)
    reader.read()
    assert reader.series["loss"].steps.tolist() == list(range(60))

    (tmp_path / "then").mkdir()
    (tmp_path / "copy").rename(tmp_path / "then" / event_files(tmp_path)[0].name)
    then = EventReader(tmp_path / "then")
    then.read()
    assert then.series["loss"].steps.tolist() == list(range(40 - failures))
    size = event_files(tmp_path / "then")[0].stat().st_size
    assert size <= 1000
