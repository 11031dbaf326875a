"""Runs whose processes are killed, interrupted and paused at bad moments, and what others see of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from screens.watcher import Watcher
from tests.runs.gpu_names import take_gpu, usable_gpus
from tests.runs.played_worker import command
from tests.runs.run_helpers import begun, new, schedulers, until
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.files.writing import temporary_folder
from vitbench.runs import control
from vitbench.runs.detached import exit_code, start_detached
from vitbench.runs.launcher import launch, launch_queued
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.process import marked_processes, start_ticks, this_process
from vitbench.runs.queue import attend, scheduler_lock
from vitbench.runs.status import (
    RunProgress,
    Status,
    parse_status,
    progress_file,
    read_status,
    write_progress,
)
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import note_crash, transition
from vitbench.training.heartbeat import Heartbeat
from vitbench.training.outcome import Outcome


def test_what_a_killed_process_left_half_deleted_or_half_made_goes(shop: Store) -> None:
    shop.runs_folder.mkdir(parents=True)
    left = [shop.runs_folder / name for name in (".removed.4711-0123.tmp", ".new.4711-4567.tmp")]
    for folder in left:
        folder.mkdir()
        (folder / "recipe.toml").touch()
    with temporary_folder(shop.runs_folder / "new") as at_work:
        run = new(shop)
        assert sorted(entry.name for entry in shop.runs_folder.iterdir()) == [at_work.name, run.id]


def test_a_killed_scheduler_is_replaced_by_whoever_looks(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [take_gpu(usable_gpus()) for _ in range(2)]
    run = new(shop, "auto")
    lock = scheduler_lock(shop.folder)

    def as_a_new_process() -> None:
        monkeypatch.setattr("vitbench.runs.queue._last_start", {})

    def work_and_be_killed() -> None:
        until(lambda: is_locked(lock))
        (pid,) = schedulers(shop)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_locked(lock))
        as_a_new_process()

    assert launch(run) is None
    work_and_be_killed()
    assert main(["runs"]) == 0
    work_and_be_killed()
    # Somebody whose environment allows no GPU looks: the run waits for those of the one who queued it.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("VITBENCH_GPUS", "")
    Watcher(shop, lambda snapshot: None).poll()
    work_and_be_killed()
    worker = new(shop)
    begun(worker)
    control.stop(worker)
    until(lambda: is_locked(lock))
    assert read_status(run.folder).is_waiting
    for gpu in held:
        assert gpu is not None
        gpu.close()
    until(lambda: read_status(run.folder).state == "failed", 200)  # it has no pictures
    until(lambda: not is_locked(lock))


def test_a_run_that_waits_on_another_machine_is_not_served_here(shop: Store) -> None:
    run = new(shop, "auto", state="queued", queued_at=1.0, host="elsewhere")
    assert main(["runs"]) == 0
    assert is_locked(scheduler_lock(shop.folder)) is False
    assert read_status(run.folder).is_waiting


def test_a_killed_worker_leaves_no_litter_once_somebody_has_looked(shop: Store) -> None:
    run = new(shop)
    pid = begun(run)
    os.kill(pid, signal.SIGKILL)
    until(lambda: exit_code(pid) is not None)
    for name in (".status.json.17.tmp", ".progress.json.17-abcd.tmp"):
        (run.folder / name).touch()
    assert main(["runs"]) == 0
    assert parse_status(run.folder).state == "crashed"
    assert not list(run.folder.glob(".*.tmp"))


def test_the_exit_code_of_a_worker_outlives_other_children(shop: Store, tmp_path: Path) -> None:
    pid = start_detached([sys.executable, "-c", "raise SystemExit(2)"], tmp_path / "log", dict(os.environ))
    until(lambda: start_ticks(pid) is None)
    subprocess.run(["true"], check=True)  # reaps what is left of objects that were dropped
    assert exit_code(pid) == 2
    assert exit_code(pid) == 2


def test_an_interrupt_while_it_starts_leaves_the_true_state_and_the_id(
    shop: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Ctrl-C at each of the instants around the start of the process."""
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "dog").mkdir()
    original = subprocess.Popen

    class Interrupted(original):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: object, **options: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            super().__init__(*arguments, **options)
            os.kill(os.getpid(), signal.SIGINT)

    # Tests that are started in the background of a shell have a SIGINT that is ignored.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    monkeypatch.setattr("vitbench.runs.launcher.sys.executable", sys.executable)
    words = ["train", "scratch", "--data", "scenes:new?count=40&size=32", "--set", "train.device=cpu", "--name", "cut"]
    assert main(words) == 130
    told = capsys.readouterr()
    run = shop.find("cut")
    assert told.out.strip() == run.id
    assert "The run goes on" in told.err
    assert run.status().state == "running"
    assert control.kill(run) == "is stopped: killed by hand"

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vitbench.runs.launcher._startable", interrupted)
    words[-1] = "cut before"
    assert main(words) == 130
    run = shop.find("cut before")
    told = capsys.readouterr()
    assert told.out.strip() == run.id
    assert f"vitbench resume {run.id}" in told.err
    assert (run.status().state, is_held(run.folder)) == ("queued", False)


def test_a_start_that_fails_leaves_the_state_of_before(shop: Store) -> None:
    run = new(shop, state="paused", step=7, error="as it was")
    with pytest.raises(OSError, match="no/such/program"):
        launch(run, ["/no/such/program"])
    status = run.status()
    assert (status.state, status.step, status.error) == ("paused", 7, "as it was")
    (run.folder / "worker.log").unlink()
    os.mkfifo(run.folder / "worker.log")
    with pytest.raises((OSError, UserError)):
        launch(run, command(run))
    assert run.status().state == "paused"


def test_a_pause_while_it_starts_reaches_the_worker(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher holds the run and has not yet said that it runs: the request waits for the worker."""
    run = new(shop)
    lock = RunLock(run.folder)
    assert lock.acquire()
    answers: list[str] = []
    waits = threading.Semaphore(0)
    monkeypatch.setattr(control, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: waits.release()))
    pausing = threading.Thread(target=lambda: answers.append(control.pause(run)))
    pausing.start()
    assert waits.acquire(timeout=10), "it finds the lock taken"
    assert waits.acquire(timeout=10)
    assert answers == []
    assert run.requests() == set()
    transition(run, "queued", "running", by="launcher", lock=lock)
    pausing.join(10)
    assert answers == ["is asked to save and free the GPU"]
    assert run.requests() == {"pause"}
    assert run.status().state == "running"
    lock.release()


def test_a_resume_waits_for_a_worker_that_is_about_to_leave(shop: Store) -> None:
    run = new(shop, state="paused")
    leaving = RunLock(run.folder)
    assert leaving.acquire()
    threading.Timer(1.0, leaving.release).start()
    assert launch(run, command(run)) is not None


def test_kill_says_what_is_so(shop: Store) -> None:
    run = new(shop)
    begun(run)
    control.stop(run)
    control.wait(run, 20)
    assert control.kill(run) == "is stopped: nothing of it was running"
    assert run.status().error is None
    begun(run)
    assert control.kill(run) == "is stopped: killed by hand"
    assert run.status().error == "Killed by hand."


def test_who_looks_while_a_run_is_killed_does_not_take_it_for_crashed(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker ends first; the other processes of a run on several GPUs take seconds to end."""
    run, seen, real = new(shop), [], control._strike
    begun(run)

    def strike_and_look(killed: Run) -> bool:
        struck = real(killed)
        until(lambda: not marked_processes(killed.folder) and not is_held(killed.folder))
        seen.append(killed.status().state)
        attend(shop, [(killed, killed.status())])  # as the app does, which also writes down what it sees
        return struck

    monkeypatch.setattr(control, "_strike", strike_and_look)
    assert control.kill(run) == "is stopped: killed by hand"
    assert seen == ["stopped"]
    status = read_status(run.folder)
    assert (status.state, status.error, run.requests()) == ("stopped", "Killed by hand.", set())


def test_the_newest_run_is_told_by_when_it_was_made(shop: Store) -> None:
    older, newer = new(shop, created_at=100.0), new(shop, created_at=200.0)
    ahead = new(shop, created_at=time.time() + 1e8)
    renamed = Run(older.folder.rename(shop.runs_folder / "zz-the-best"))
    assert shop.find("last").id == newer.id
    shop.remove(newer)
    assert shop.find("last").id == renamed.id
    shop.remove(renamed)
    assert shop.find("last").id == ahead.id


def test_a_change_does_not_wait_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going, go_on = threading.Event(), threading.Event()

    def slow(folder: Path, progress: RunProgress) -> None:
        going.set()
        assert go_on.wait(30)
        write_progress(folder, progress)

    monkeypatch.setattr("vitbench.training.heartbeat.write_progress", slow)
    heartbeat = Heartbeat(tmp_path, RunProgress(step=1))
    writing = threading.Thread(target=heartbeat.write)
    writing.start()
    assert going.wait(30)
    heartbeat.update(step=2)  # would hang here
    assert heartbeat.progress.step == 2
    go_on.set()
    writing.join()
    heartbeat.write()
    assert RunProgress.model_validate_json(progress_file(tmp_path).read_bytes()).step == 2


def test_a_heartbeat_never_overwrites_a_state(shop: Store) -> None:
    run = new(shop, state="running", process=this_process())
    heartbeat = Heartbeat(run.folder, read_status(run.folder))
    transition(run, "running", "stopped", by="person")
    heartbeat.write(step=9)
    assert (read_status(run.folder).state, read_status(run.folder).step) == ("stopped", 9)


def test_a_folder_of_an_earlier_version_is_read_and_goes_on(shop: Store) -> None:
    run = new(shop, state="paused", step=40, latest={"train/loss": 0.5}, heartbeat=1e9)
    assert not progress_file(run.folder).exists()
    assert (run.status().step, run.status().latest) == (40, {"train/loss": 0.5})
    heartbeat = Heartbeat(run.folder, run.status())
    heartbeat.write(step=41)
    assert run.status().step == 41
    progress_file(run.folder).write_text("\0" * 100)  # as after a power cut
    assert run.status().step == 40


def test_only_a_divergence_is_one(shop: Store) -> None:
    class Diverged(Exception):
        """Another library's, of the same name."""

    run = new(shop, state="running", process=this_process())
    lock = RunLock.of_worker(run.folder)
    assert lock.acquire()
    from vitbench.runs.log import RunLog

    with Outcome(run, lock, Heartbeat(run.folder, run.status()), RunLog(run.log)):
        raise Diverged("a solver")
    lock.release()
    assert run.status().state == "failed"


def test_a_crash_is_written_down_by_whoever_holds_the_lock_only(shop: Store) -> None:
    run = new(shop, state="running", process=this_process().model_copy(update={"start_ticks": 1}))
    lock = RunLock(run.folder)
    assert lock.acquire()
    assert note_crash(run, lock, by="launcher").state == "crashed"
    lock.release()
    assert parse_status(run.folder).process is None
    assert Status.model_validate(parse_status(run.folder).model_dump()).state == "crashed"
    assert launch_queued(run, command(run)) is None
