"""Runs whose folders are copied, moved and deleted, and whose locks go: a process belongs to one folder."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.played_worker import command
from tests.runs.run_helpers import begun, new, until
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.runs import control
from vitbench.runs.detached import exit_code
from vitbench.runs.launcher import launch
from vitbench.runs.lock import is_held
from vitbench.runs.process import start_ticks
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import transition


@pytest.mark.parametrize("copy", [shutil.copy2, os.link], ids=["copied", "hard links"])
def test_a_copy_of_a_running_run_is_another_run(shop: Store, tmp_path: Path, copy: Callable[..., None]) -> None:
    run = new(shop)
    pid = begun(run)
    other = Store(tmp_path / "other")
    other.runs_folder.mkdir(parents=True)
    shutil.copytree(run.folder, other.runs_folder / run.id, copy_function=copy)
    twin = other.find(run.id)
    assert twin.status().state == "crashed"
    with pytest.raises(UserError, match="has crashed"):
        control.pause(twin)
    if copy is shutil.copy2:  # a lock of its own; a shared one is told apart when the copy is started
        assert control.kill(twin) == "had crashed already"
    assert start_ticks(pid) is not None
    assert run.status().state == "running"
    control.stop(run)
    assert control.wait(run, 20).state == "stopped"


def test_a_worker_that_was_killed_before_it_spoke_is_not_seen_in_the_lock_of_a_copy(shop: Store) -> None:
    run = new(shop)
    (run.folder / "run.lock").touch()
    transition(run, "queued", "running", by="launcher")  # its launcher and its worker were killed then
    shutil.copytree(run.folder, shop.runs_folder / "twin", copy_function=os.link)
    descriptor = os.open(shop.runs_folder / "twin" / "run.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # as a worker of earlier versions held it
    assert run.status().state == "crashed"
    os.close(descriptor)
    twin = shop.find("twin")
    begun(twin)
    begun(run)
    assert (run.folder / "run.lock").stat().st_nlink == (twin.folder / "run.lock").stat().st_nlink == 1
    assert twin.status().state == run.status().state == "running"
    control.kill(run)
    assert twin.status().state == "running"


def test_a_copy_by_hard_links_of_a_running_run_can_be_resumed(shop: Store) -> None:
    run = new(shop)
    begun(run)
    shutil.copytree(run.folder, shop.runs_folder / "twin", copy_function=os.link)
    twin = shop.find("twin")
    until(lambda: (run.folder / "run.lock").stat().st_nlink == 1)
    begun(twin)
    assert run.status().state == "running"


def test_kill_by_command_of_the_copy(shop: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = new(shop)
    pid = begun(run)
    shutil.copytree(shop.folder, tmp_path / "B")
    assert main(["kill", run.id, "--store", str(tmp_path / "B")]) == 0
    assert "had crashed already" in capsys.readouterr().out
    assert start_ticks(pid) is not None
    assert run.status().state == "running"


def test_a_copy_can_be_started_while_the_original_runs(shop: Store, tmp_path: Path) -> None:
    run = new(shop)
    begun(run)
    shutil.copytree(run.folder, shop.runs_folder / "twin")
    twin = shop.find("twin")
    begun(twin)
    control.kill(twin)
    assert run.status().state == "running"


def test_a_deleted_folder_does_not_come_back_and_its_worker_leaves(shop: Store) -> None:
    run = new(shop)
    pid = begun(run)
    shutil.rmtree(run.folder, ignore_errors=True)
    shutil.rmtree(run.folder, ignore_errors=True)  # a heartbeat may have come between
    until(lambda: exit_code(pid) is not None, 10)
    assert not run.folder.exists()
    with pytest.raises(UserError, match="has been deleted"):
        control.pause(run)


def test_a_worker_leaves_a_folder_that_was_moved_and_says_so_there(shop: Store) -> None:
    run = new(shop)
    pid = begun(run)
    # What a heartbeat was writing while the folder was moved: its name is not found again to be replaced.
    (run.folder / f".progress.json.{pid}-fd91.tmp").write_text("{")
    moved = Run(run.folder.rename(shop.runs_folder / "moved"))
    until(lambda: exit_code(pid) is not None, 10)
    assert not run.folder.exists()
    assert moved.status().state == "failed"
    assert f"moved while it ran, from {run.folder}" in str(moved.status().error)
    assert not list(moved.folder.glob(".*.tmp"))
    begun(moved)


def test_a_lock_file_that_is_deleted_is_made_anew(shop: Store) -> None:
    run = new(shop)
    pid = begun(run)
    (run.folder / "run.lock").unlink()
    with pytest.raises(UserError, match="running already"):
        launch(run, command(run))
    until(lambda: is_held(run.folder), 10)
    assert run.status().state == "running"
    assert start_ticks(pid) is not None


def test_a_name_of_255_bytes_can_be_removed(shop: Store) -> None:
    run = new(shop)
    long = Run(run.folder.rename(shop.runs_folder / ("n" * 255)))
    shop.remove(long)
    assert list(shop.runs_folder.iterdir()) == []


def test_remove_refuses_what_runs_whoever_asks(shop: Store) -> None:
    run = new(shop)
    begun(run)
    with pytest.raises(UserError, match="is running; stop it first"):
        shop.remove(run)
    assert main(["rm", run.id]) == 2
    assert main(["rm", run.id, "--force"]) == 0
    assert shop.runs() == []
