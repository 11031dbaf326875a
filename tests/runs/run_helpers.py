"""Runs for tests, with a worker that only counts."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.runs.played_worker import command
from vitbench.recipe import Recipe
from vitbench.runs.detached import exit_code
from vitbench.runs.launcher import launch
from vitbench.runs.process import ProcessName, start_ticks, this_process
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Run, Store


def gone_process() -> ProcessName:
    """The name of a process that does not live any more."""
    return this_process().model_copy(update={"start_ticks": 1})


def new(shop: Store, device: str = "cpu", **status: object) -> Run:
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}, "train": {"device": device}}
    run = shop.create(Recipe.model_validate(values))
    if status:
        write_status(run.folder, read_status(run.folder).model_copy(update=status))
    return run


def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begun(run: Run) -> int:
    """Starts the worker of a run, and waits until it counts."""
    pid = launch(run, command(run))
    assert pid is not None
    until(lambda: run.status().step > 0 or exit_code(pid) is not None)
    assert run.status().state == "running", (run.folder / "worker.log").read_text()
    return pid


def schedulers(shop: Store) -> list[int]:
    """The pids of the schedulers of a store, by their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"vitbench.runs.scheduler" in words and str(shop.folder).encode() in words:
                found.append(int(entry.name))
    return [pid for pid in found if start_ticks(pid) is not None]
