"""Things in a run or a store that are not what they should be, and processes that hang or cannot be seen."""

import os
import shutil
import signal
import stat
import time

import pytest

from tests.runs.run_helpers import begun, new, until
from vitbench.errors import UserError
from vitbench.runs import control, process, queue
from vitbench.runs.launcher import exit_code, launch
from vitbench.runs.lock import FileLock
from vitbench.runs.process import is_alive, this_process
from vitbench.runs.queue import attend, ensure_scheduler, say_at_work, scheduler_lock
from vitbench.runs.store import Run
from vitbench.runs.transition import transition


def socket_at(path):
    os.mknod(path, stat.S_IFSOCK | 0o600)


ODD = {
    "folder": lambda path: (path / "inside").mkdir(parents=True),
    "pipe": os.mkfifo,
    "socket": socket_at,
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a folder": lambda path: path.symlink_to(".."),
    "file": lambda path: path.write_text("x"),
}


@pytest.fixture(params=list(ODD))
def odd(request):
    return ODD[request.param]


def test_an_odd_request_neither_stops_a_start_nor_stays(shop, odd):
    run = new(shop)
    odd(run.folder / "control" / "pause")
    run.acknowledged()
    assert list((run.folder / "control").iterdir()) == []


def test_an_odd_control_folder_stops_no_command_and_leads_nowhere(shop, odd):
    run = new(shop)
    (run.folder / "control").rmdir()
    odd(run.folder / "control")
    mine = shop.runs_folder / "pause"  # what the link to a folder above leads to
    mine.touch()
    run.acknowledged()
    assert control.pause(run) == "is paused"
    assert control.stop(run) == "is stopped"
    assert mine.exists()
    if odd is not ODD["folder"]:
        with pytest.raises(UserError, match="is not a folder"):
            run.request("pause")
    assert run.requests() <= {"pause"}


def test_an_odd_lock_of_the_scheduler_is_said(shop, odd, monkeypatch):
    monkeypatch.setattr(queue, "_last_start", {})
    started = []
    monkeypatch.setattr(queue, "start_scheduler", started.append)
    shop.folder.mkdir(exist_ok=True)
    odd(scheduler_lock(shop.folder))
    words = ensure_scheduler(shop.folder)
    if odd is ODD["file"]:
        assert (words, started) == ("", [shop.folder])
    else:
        assert "cannot be opened as a lock; delete it" in words
        assert started == []


def test_a_scheduler_that_hangs_is_named_to_whoever_waits(shop, monkeypatch):
    waiting = new(shop)
    launch(waiting, held=True)
    transition(waiting, "queued", "queued", by="launcher", held=False)
    lock = FileLock(scheduler_lock(shop.folder))
    assert lock.acquire()
    say_at_work(lock)
    seen = [(waiting, waiting.status())]
    assert attend(shop, seen) == ""
    monkeypatch.setattr(queue, "_HANGS_AFTER", -1.0)
    assert f"process {os.getpid()}) has not looked at the queue for 0 s: it is stopped, or hangs" in attend(shop, seen)
    for damaged in (b"", b"\xff\xff", b"1 2 3", b"x y", b"9" * 5000 + b" 1", b"-1 -1"):
        scheduler_lock(shop.folder).write_bytes(damaged)
        assert attend(shop, seen) == ""
    lock.release()


def test_a_scheduler_says_that_it_looks(shop):
    """The real process, which is stopped in the middle of its work."""
    waiting = new(shop)
    launch(waiting, held=True)
    transition(waiting, "queued", "queued", by="launcher", held=False, queued_for=["GPU-nobody-has"])
    pid = queue.start_scheduler(shop.folder)
    until(lambda: scheduler_lock(shop.folder).exists() and scheduler_lock(shop.folder).read_text())
    until(lambda: scheduler_lock(shop.folder).read_text().startswith(f"{pid} "))
    os.kill(pid, signal.SIGKILL)
    until(lambda: exit_code(pid) is not None)
    control.stop(waiting)


def test_a_process_that_proc_does_not_show_is_believed_to_live(monkeypatch):
    """As /proc is for another user when it is mounted with hidepid."""
    me = this_process().model_copy(update={"pid": 2**22 - 1, "start_ticks": 5})
    assert not is_alive(me)

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(process.os, "kill", refused)
    assert is_alive(me)
    assert not is_alive(me.model_copy(update={"boot_id": "another"}))
    assert not is_alive(this_process().model_copy(update={"start_ticks": 5})), "one that is shown is another"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_run_folder_that_is_a_mount_point_is_refused_in_a_sentence(shop):
    run = new(shop)
    if os.system(f"mount -t tmpfs none {run.folder}/figures 2>/dev/null") != 0:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(UserError, match=f"Run {run.id} could not be deleted"):
            shop.remove(run)
    finally:
        os.system(f"umount {run.folder}/figures 2>/dev/null || umount {shop.runs_folder}/.removed*/figures")
    for folder in shop.runs_folder.iterdir():
        shutil.rmtree(folder)


def test_a_stopped_worker_is_killed_all_the_same(shop):
    run = new(shop)
    pid = begun(run)
    os.kill(pid, signal.SIGSTOP)
    assert control.pause(run)
    began = time.monotonic()
    assert "killed by hand" in control.kill(run)
    assert time.monotonic() - began < 30
    assert run.status().state == "stopped"
    assert Run(run.folder).requests() == set()
