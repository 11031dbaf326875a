"""A person's command at the end of a run: what it is told, when it is run, and what it cannot break."""

import json
import os
import sys
import time

import pytest

from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.cli import main
from vitbench.recipe import parse_recipe
from vitbench.runs import control, notify
from vitbench.runs.lock import RunLock
from vitbench.runs.log import read_log
from vitbench.runs.process import this_process
from vitbench.runs.queue import write_down_crash
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import transition
from vitbench.settings import read_settings, settings_file
from vitbench.training import worker

TELL = """
import json, os, sys
told = json.load(sys.stdin)
told["environment"] = {name: value for name, value in os.environ.items() if name.startswith("VITBENCH_")}
told["arguments"] = sys.argv[1:]
with open({file!r} + ".new", "w") as stream:
    json.dump(told, stream)
os.rename({file!r} + ".new", {file!r})
"""


@pytest.fixture
def told(tmp_path):
    """The file into which the command writes what it was told."""
    file, script = tmp_path / "told.json", tmp_path / "tell.py"
    script.write_text(TELL.replace("{file!r}", repr(str(file))))
    words = json.dumps([sys.executable, str(script), "$(touch hacked)", "; rm -rf /"])
    assert main(["settings", f"on_end={words}"]) == 0
    return file


def within(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return True


def running_run(store, name="pets", **facts) -> Run:
    run = Store(store).create(parse_recipe({"data": {"path": "demo"}}, "a test"), name)
    lock = RunLock(run.folder)
    assert lock.acquire()
    transition(run, "queued", "running", by="launcher", lock=lock, process=this_process(), **facts)
    lock.release()
    return run


def test_a_worker_that_finishes_tells_its_owner(store, tmp_path, told, capsys):
    recipe = worker_recipe(write_pictures(tmp_path / "pictures"), train={"epochs": 1, "checkpoint_every": 0})
    run = Store(store).create(recipe, "pets $(touch hacked)")
    assert worker.main(run.folder) == 0
    within(told.exists)
    said = json.loads(told.read_text())
    assert said["state"] == said["environment"]["VITBENCH_STATE"] == "finished"
    assert said["id"] == run.id
    assert said["name"] == "pets $(touch hacked)"
    assert said["best"]["metric"] == "validation/accuracy"
    assert said["environment"]["VITBENCH_SENTENCE"] == said["sentence"]
    assert "has finished, best validation/accuracy" in said["sentence"]
    assert said["arguments"] == ["$(touch hacked)", "; rm -rf /"]  # no shell has read them
    assert "VITBENCH_RUN" not in said["environment"]  # `kill` would end it
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("state", ["failed", "diverged"])
def test_what_ends_by_itself_is_told(store, told, state):
    run = running_run(store)
    transition(run, "running", state, by="worker", error="The loss became nan")
    within(told.exists)
    assert json.loads(told.read_text())["error"] == "The loss became nan"


def test_a_crash_is_told_by_whoever_writes_it_down_and_once(store, told):
    run = running_run(store)
    gone = this_process().model_copy(update={"pid": 2**22 - 1})
    transition(run, "running", "running", by="worker", process=gone)
    write_down_crash(run)
    within(told.exists)
    assert json.loads(told.read_text())["state"] == "crashed"
    told.unlink()
    write_down_crash(run)
    assert run.status().state == "crashed"
    assert not told.exists()


def test_a_person_s_own_doing_is_not_told(store, told, monkeypatch):
    monkeypatch.setattr(notify, "start_detached", lambda *arguments: pytest.fail("it was told"))
    run = running_run(store)
    transition(run, "running", "paused", by="worker")
    control.stop(run)
    assert run.status().state == "stopped"


def test_another_person_s_run_is_not_told(store, told, monkeypatch):
    monkeypatch.setattr(notify, "start_detached", lambda *arguments: pytest.fail("it was told"))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    transition(running_run(store), "running", "failed", by="worker", error="x")


def test_only_the_states_that_were_asked_for(store, told, monkeypatch):
    main(["settings", 'on_end_states=["crashed"]'])
    monkeypatch.setattr(notify, "start_detached", lambda *arguments: pytest.fail("it was told"))
    transition(running_run(store), "running", "failed", by="worker", error="x")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "could not be started (/no/such/program): No such file"),
        ([sys.executable, "-c", "import sys; sys.exit('the mail server is away')"], "code 1: the mail server is away"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "took more than 1 seconds"),
    ],
)
def test_a_command_that_fails_is_a_line_of_the_log(store, monkeypatch, command, words):
    monkeypatch.setattr(notify, "PATIENCE", 1.0)
    main(["settings", f"on_end={json.dumps(command)}"])
    run = running_run(store)
    monkeypatch.setattr("vitbench.runs.transition.tell_of_end", lambda run, status: None)
    transition(run, "running", "finished", by="worker")
    assert notify.main(run.folder) == 1
    assert words in list(read_log(run.log))[-1].text
    assert run.status().state == "finished"  # nothing of the run depends on it


def test_settings_that_cannot_be_read_cost_the_notice_only(store, capsys):
    settings_file().write_text("on_end = 7\n")
    run = running_run(store)
    transition(run, "running", "failed", by="worker", error="x")
    assert run.status().state == "failed"
    assert "on_end was not run" in list(read_log(run.log))[-1].text
    assert main(["settings"]) == 2
    assert "on_end" in capsys.readouterr().err


def test_settings_are_listed_changed_and_taken_back(capsys):
    assert main(["settings"]) == 0
    assert "these are the defaults" in capsys.readouterr().out
    assert main(["settings", "bell=false", 'on_end=["a", "b c"]', "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["on_end"] == ["a", "b c"]
    assert read_settings().bell is False
    assert main(["settings", "bell="]) == 0
    assert read_settings().bell is True
    assert read_settings().on_end == ("a", "b c")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("colour=red", "no setting 'colour'"),
        ("bell", "NAME=VALUE"),
        ("bell=maybe", "bell"),
        ('on_end_states=["paused"]', "'paused' is none of finished"),
        ('on_end=[""]', "program to start"),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(capsys, change, words):
    main(["settings", "bell=false"])
    before = settings_file().read_text()
    assert main(["settings", change]) == 2
    assert words in capsys.readouterr().err
    assert settings_file().read_text() == before
