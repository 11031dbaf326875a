"""Odd files in a run folder, stores that cannot be written, and stores of several users."""

import codecs
import importlib
import os
import shutil
import stat
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.run_helpers import begun, gone_process, new
from vitbench.cli import main
from vitbench.runs import control
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.store import Store


@pytest.mark.parametrize("name", ["run.lock", "state.lock", "status.json", "progress.json"])
@pytest.mark.parametrize("odd", ["fifo", "folder", "link"])
def test_an_odd_file_costs_one_run_and_a_sentence(
    shop: Store, name: str, odd: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = new(shop), new(shop)
    file = bad.folder / name
    file.unlink(missing_ok=True)
    if odd == "fifo":
        os.mkfifo(file)
    elif odd == "folder":
        file.mkdir()
    else:
        file.symlink_to("/dev/zero")
    assert main(["runs"]) == 0
    assert good.id in capsys.readouterr().out
    for verb in ("pause", "resume", "stop", "kill"):
        if verb != "resume":  # it would start a worker
            assert main([verb, bad.id]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink()
    shop.remove(bad) if (bad.folder / "status.json").exists() else shutil.rmtree(bad.folder)


def test_asking_makes_and_writes_nothing(shop: Store) -> None:
    run = new(shop, state="running", process=gone_process())
    before = {file.name for file in run.folder.iterdir()}
    assert not is_held(run.folder)
    assert run.status().state == "crashed"
    assert {file.name for file in run.folder.iterdir()} == before


@pytest.fixture
def open_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store where everybody can look: pytest's own folders are closed."""
    with tempfile.TemporaryDirectory(prefix="vitbench-open-") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("VITBENCH_HOME", folder)
        yield Store(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_reads_everything_and_changes_nothing(open_store: Store) -> None:
    shop = open_store
    starting = new(shop, state="running", process=None)
    lock = RunLock(starting.folder)
    assert lock.acquire()
    waiting = new(shop, "auto", state="queued", queued_at=1.0)
    paused, crashed = new(shop, state="paused"), new(shop, state="running", process=gone_process())
    before = {file: file.lstat().st_mtime_ns for file in shop.folder.rglob("*")}
    calls = [["runs"], ["runs", "--json"]]
    for run in (starting, waiting, paused, crashed):
        calls += [[verb, run.id] for verb in ("show", "log", "pause", "stop", "resume", "kill", "rm")]
        calls += [["pause", run.id, "--no-wait"]]
    for words in calls:
        code, told = as_nobody(words)
        assert code == (0 if words[0] in ("runs", "show", "log") else 2), (words, told)
        assert "Traceback" not in told
        if words == ["runs"]:
            assert "no scheduler is at work" in told
    lock.release()
    assert {file: file.lstat().st_mtime_ns for file in shop.folder.rglob("*")} == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_group_shares_a_store_under_umask_002(open_store: Store) -> None:
    """What one of them has made, another can pause, stop and delete; what belongs to neither state is writable too."""
    group = 54321
    os.chown(open_store.folder, 0, group)
    open_store.folder.chmod(0o2775)
    before = os.umask(0o002)
    try:
        running, waiting = new(open_store), new(open_store, "auto", state="queued", queued_at=1.0, host="elsewhere")
        begun(running)
        for words, state in ((["pause", running.id], "paused"), (["stop", running.id], "stopped")):
            code, told = as_nobody(words, group)
            assert (code, running.status().state) == (0, state), told
        begun(running)
        control.stop(running)
        control.wait(running, 20)
        for file in open_store.folder.rglob("*"):
            assert file.lstat().st_mode & stat.S_IWGRP, file
        for run in (running, waiting):
            assert as_nobody(["rm", run.id], group) == (0, f"{run.id}: deleted\n")
    finally:
        os.umask(before)
    assert open_store.runs() == []


def as_nobody(words: list[str], group: int = 65534) -> tuple[int, str]:
    """Exit code and output of a command as another user, in a fork: Python's own folder may be closed to them, so
    what the command loads late is loaded before.
    """
    importlib.import_module(f"vitbench.commands.{words[0]}")
    codecs.lookup("utf-8-sig")
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        code = 99
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(65534)
            sys.stdout = sys.stderr = os.fdopen(send, "w", buffering=1)
            code = main(words)
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001 - told to the test, in whose process it cannot be raised
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(send)
    with os.fdopen(receive) as stream:
        told = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told
