"""An app that is left alone starts the inspector, at low priority, and ends it when nobody asks."""

from pathlib import Path

import psutil
import pytest
from terminal import Terminal

from vitbench.runs.host import INSPECTOR_ROOM, memory_room


def inspectors(app: Terminal) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(app.pid).children():
        try:
            if "--ahead" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.slow
def test_it_comes_and_goes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if memory_room().free < INSPECTOR_ROOM:
        pytest.skip("less than 4 GB are free here, so it does not start by itself")
    monkeypatch.setenv("VITBENCH_INSPECTOR_MINUTES", "0.1")
    with Terminal(store) as app:
        app.wait_for("No runs yet")
        app.wait_until(lambda: len(inspectors(app)) == 1, "the inspector to start")
        (inspector,) = inspectors(app)

        def is_niced() -> bool:
            tasks = Path(f"/proc/{inspector.pid}/task").glob("*/stat")
            return any(int(task.read_text().rpartition(")")[2].split()[16]) > 0 for task in tasks)

        app.wait_until(is_niced, "a thread of low priority")
        app.wait_until(lambda: not inspectors(app), "the inspector to leave")
        assert app.is_alive()


def test_a_setting_that_is_no_number_is_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITBENCH_INSPECTOR_MINUTES", "soon")
    with Terminal(store) as app:
        app.wait_for("No runs yet", "VITBENCH_INSPECTOR_MINUTES=soon is not a number of minutes")
