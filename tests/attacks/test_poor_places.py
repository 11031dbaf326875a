"""Stores on full, read-only and foreign disks: a command works, or ends with one sentence and exit code 2."""

import codecs
import contextlib
import importlib
import io
import json
import os
import pkgutil
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vitbench.runs
from vitbench.cli import main
from vitbench.recipe import Recipe
from vitbench.runs.log import RunLog
from vitbench.runs.process import this_process
from vitbench.runs.status import Status, write_status
from vitbench.runs.store import Store

RECIPE = Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}})
READING = [["runs"], ["runs", "--json"], ["show", "RUN"], ["show", "RUN", "--json"], ["log", "RUN"], ["metrics", "RUN"]]
WRITING = [
    ["pause", "RUN", "--no-wait"],
    ["stop", "RUN", "--no-wait"],
    ["kill", "RUN"],
    ["resume", "RUN"],
    ["rm", "RUN"],
    ["rm", "RUN", "--force"],
    ["train", "scratch", "--data", "scenes:2"],
]
root_only = pytest.mark.skipif(os.getuid() != 0, reason="mounting and other users need root")


def fill(store: Path) -> list[str]:
    """Runs in each state; the one that runs belongs to a process that is gone. Their ids."""
    ids = []
    for state in ("queued", "running", "paused", "finished", "failed"):
        run = Store(store).create(RECIPE, name=state)
        process = this_process().model_copy(update={"pid": 2**22 - 2, "start_ticks": 1}) if state == "running" else None
        write_status(run.folder, Status(state=state, created_at=time.time(), name=state, process=process))
        RunLog(run.log).write(1, "info", "said")
        ids.append(run.id)
    return ids


def warm() -> None:
    """Another user cannot read root's Python: what the commands load later is loaded before."""
    codecs.lookup("utf-8-sig")
    codecs.lookup("idna")
    for command in {words[0] for words in READING + WRITING}:
        importlib.import_module(f"vitbench.commands.{command}")
    for module in pkgutil.iter_modules(vitbench.runs.__path__):
        importlib.import_module(f"vitbench.runs.{module.name}")
    importlib.import_module("vitbench.catalogue")


def answer(arguments: list[str], user: int = 0) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, in a child that is `user`; a traceback is on stderr."""
    warm()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        out, err, code = io.StringIO(), io.StringIO(), 1
        try:
            if user:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(arguments)
        except BaseException as error:  # noqa: BLE001 - the child tells its parent, whatever it is
            err.write(f"Traceback: {type(error).__name__}: {error}")
        os.write(writing, json.dumps([code, out.getvalue()[:9000], err.getvalue()[:9000]]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        code, out, err = json.loads(stream.read())
    os.waitpid(child, 0)
    return code, out, err


def judge(arguments: list[str], given: tuple[int, str, str], *, works: bool) -> None:
    code, out, err = given
    assert "Traceback" not in err, (arguments, err)
    if works:
        assert code == 0, (arguments, err)
        return
    assert code in (0, 1, 2), (arguments, code)
    if code == 2:
        said = [line for line in err.splitlines() if line.startswith("vitbench: ")]
        assert len(said) == 1, (arguments, out, err)


def each(store: Path, ids: list[str], commands: list[list[str]]) -> Iterator[list[str]]:
    for command in commands:
        for run_id in ids if "RUN" in command else ids[:1]:
            yield [word.replace("RUN", run_id) for word in command] + ["--store", str(store)]


@root_only
def test_another_user_may_look_and_changes_nothing(tmp_path_factory):
    """The store belongs to root, and anyone may read it."""
    store = Path("/tmp") / f"vitbench-attack-{os.getpid()}"
    try:
        ids = fill(store)
        for folder, _, files in os.walk(store):
            Path(folder).chmod(0o755)
            for name in files:
                (Path(folder) / name).chmod(0o644)
        before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
        for arguments in each(store, ids, READING):
            judge(arguments, answer(arguments, user=2222), works=arguments[0] != "metrics")
        for arguments in each(store, ids, WRITING):
            judge(arguments, answer(arguments, user=2222), works=False)
        assert {file: file.read_bytes() for file in store.rglob("*") if file.is_file()} == before
    finally:
        shutil.rmtree(store)


def test_a_read_only_store_can_be_read(mounted):
    store = mounted("size=20m")
    ids = fill(store)
    subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
    for arguments in each(store, ids, READING):
        judge(arguments, answer(arguments), works=arguments[0] != "metrics")
    for arguments in each(store, ids, WRITING):
        judge(arguments, answer(arguments), works=False)


def test_a_full_store_can_be_read(mounted):
    store = mounted("size=6m")
    ids = fill(store)
    with contextlib.suppress(OSError), (store / "filling").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(65536))
    for arguments in each(store, ids, READING):
        judge(arguments, answer(arguments), works=arguments[0] != "metrics")
    for arguments in each(store, ids, WRITING):
        judge(arguments, answer(arguments), works=False)


def test_a_store_without_inodes_can_be_read(mounted):
    store = mounted("size=20m,nr_inodes=120")
    ids = fill(store)
    with contextlib.suppress(OSError):
        for number in range(10_000):
            (store / f"filling {number}").touch()
    for arguments in each(store, ids, READING):
        judge(arguments, answer(arguments), works=arguments[0] != "metrics")
    for arguments in each(store, ids, WRITING):
        judge(arguments, answer(arguments), works=False)


@pytest.mark.slow
def test_a_clock_that_is_years_off_is_no_mishap(tmp_path):
    """Skipped where no faketime is installed."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not installed (apt install faketime)")
    ids = fill(tmp_path)
    for moment in ("2001-01-01 00:00:00", "2037-01-01 00:00:00"):
        for arguments in each(tmp_path, ids[:2], READING[:5]):
            done = subprocess.run(
                [faketime, moment, sys.executable, "-m", "vitbench", *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
            judge(arguments, (done.returncode, done.stdout, done.stderr), works=True)
