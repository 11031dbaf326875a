"""What happens to the store while the app looks at it: folders go, files are cut, clocks jump, another app is there."""

import shutil
import time
from pathlib import Path

import pytest
from scripted_run import ScriptedRun
from terminal import Terminal

from vitbench.runs.process import boot_id
from vitbench.runs.store import Store

pytestmark = pytest.mark.timeout(900)


def test_a_run_folder_is_deleted_under_the_app(store: Path) -> None:
    gone, stays = ScriptedRun(store, "goes"), ScriptedRun(store, "stays")
    gone.train(2.5, 2.25)
    with Terminal(store, "--run", gone.run.id) as app:
        app.wait_for("goes", "2.25")
        shutil.rmtree(gone.run.folder)
        app.wait_for("The run's folder is gone.", "1 run", "stays")
        stays.train(0.625)
        app.wait_for("0.625")
        app.wait_without("goes")
        shutil.rmtree(store)
        app.wait_for("No runs yet")
        ScriptedRun(store, "again")
        app.wait_for("again", "1 running")
        app.press("q")
        app.seconds_to_end()


def test_a_cut_event_file_goes_on(store: Path) -> None:
    """As a copy that arrives in parts: cut in the middle of a record, then what is missing, then more."""
    run = ScriptedRun(store, "cut")
    run.train(3.5, 3.25)
    with Terminal(store, "--run", run.run.id) as app:
        app.wait_for("train 3.25")
        whole = run.event_file.read_bytes()
        with run.event_file.open("r+b") as stream:
            stream.truncate(len(whole) - 7)
        app.wait_for("train 3.5")
        with run.event_file.open("ab") as stream:
            stream.write(whole[-7:])
        app.wait_for("train 3.25")
        run.train(1.25)
        app.wait_for("train 1.25", "step 3")


def test_a_hole_in_an_event_file_is_told_of(store: Path) -> None:
    """A file cut under a writer that goes on has zeros in it; what was read before stays, and the run is still led."""
    run = ScriptedRun(store, "holed")
    run.train(3.5)
    end = run.event_file.stat().st_size
    run.train(3.25)
    with Terminal(store, "--run", run.run.id) as app:
        app.wait_for("train 3.25")
        with run.event_file.open("r+b") as stream:
            stream.truncate(end + 4)
        app.wait_for("train 3.5")
        run.train(1.25)
        app.wait_for("train 3.5", "step 3", "damaged at byte")
        app.press("escape")
        app.wait_for("1 running", "holed")


def test_two_apps_on_one_store(store: Path) -> None:
    run, other = ScriptedRun(store, "shared"), ScriptedRun(store, "doomed")
    other.say(state="stopped", process=None)
    with Terminal(store) as first, Terminal(store, columns=80, rows=24) as second:
        first.wait_for("2 runs", "shared", "doomed")
        second.wait_for("2 runs", "shared", "doomed")
        run.train(2.0, 1.75)
        first.wait_for("1.75")
        second.wait_for("1.75")
        second.press("\x14")  # ctrl+t: the theme is remembered in the store while the other app has it too
        second.wait_for("Theme: vitbench-light")
        first.press("\x1b[H", "D")  # the newest run is the first row
        first.wait_for('Delete "doomed"')
        first.press("y")
        first.wait_for("1 run,")
        second.wait_without("doomed")
        first.press("O")
        first.wait_for("by ")
        run.train(0.875)
        first.wait_for("0.875")
        second.wait_for("0.875")
    assert [left.id for left in Store(store).runs()] == [run.run.id]
    assert '"theme": "vitbench-light"' in (store / "screens.json").read_text()


@pytest.mark.slow
def test_a_clock_that_jumps(store: Path) -> None:
    """Another machine's clock is ahead by a day, then set back by two; it is alive while its heartbeat moves."""
    run = ScriptedRun(store, "elsewhere", created_at=time.time() + 86400)
    process = run.say().process
    assert process is not None
    elsewhere = process.model_copy(update={"host": "another", "boot_id": boot_id()[::-1], "pid": 1})
    run.say(process=elsewhere, heartbeat=time.time() + 86400)
    run.train(2.5)
    with Terminal(store, columns=104) as app:
        app.wait_for("elsewhere", "running", "now")
        app.press("enter", "a", "a")
        app.wait_for("train 2.5", "time")
        for jump, loss in ((86400, 2.25), (-86400, 1.75), (0, 1.5)):
            run.train(loss)
            run.say(heartbeat=time.time() + jump, latest={"train/loss": loss})
            app.wait_for(f"train {loss}", "running")
        app.press("escape")
        app.wait_for("1 running")
