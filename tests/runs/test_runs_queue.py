"""The queue on processors: slots, order, hold, one run after another. The worker is a stand-in."""

import json
import os
import signal
import threading
import time

import pytest

from screens.watcher import _places_in_queue
from tests.runs.test_runs_scheduler import command, until
from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.listing.rows import row_of
from vitbench.recipe import Recipe
from vitbench.runs import control
from vitbench.runs.launcher import launch, launch_queued
from vitbench.runs.lock import is_held
from vitbench.runs.queue import hold, move, reason_to_wait, release, start_after
from vitbench.runs.scheduler import Scheduler
from vitbench.runs.slots import slots, take_slot
from vitbench.runs.slurm import SLURM, marker
from vitbench.runs.slurm_watch import watch_slurm
from vitbench.runs.store import Store
from vitbench.runs.transition import StateChanged, transition


@pytest.fixture
def shop(store, monkeypatch):
    """A store on a machine without a GPU and with one slot, where no scheduler starts by itself."""
    monkeypatch.setenv("VITBENCH_GPUS", "")
    monkeypatch.setenv("VITBENCH_SLOTS", "1")
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    shop = Store(store)
    yield shop
    for run in shop.runs():
        control.kill(run)


def new(shop, name):
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}}
    return shop.create(Recipe.model_validate(values), name)


def start(run, **how):
    return launch(run, command(run), **how)


def dispatch(shop):
    """One poll of a scheduler."""
    scheduler = Scheduler(shop, lambda run: launch_queued(run, command(run)), 0.01)
    scheduler.dispatch(scheduler.poll())


def ended(run, state="stopped"):
    until(lambda: run.status().process is not None)
    control.stop(run)
    until(lambda: run.status().state == state and not is_held(run.folder))


def running(shop):
    return [run.status().name for run in shop.runs() if run.status().state == "running"]


def test_one_run_at_a_time_and_the_reason_in_words(shop):
    one, two = new(shop, "one"), new(shop, "two")
    assert start(one) is not None
    assert start(two) is None
    status = two.status()
    assert status.is_waiting
    assert status.waits_for == "No CPU slot is free: another run of yours computes on the CPU (VITBENCH_SLOTS = 1)."
    dispatch(shop)
    assert running(shop) == ["one"]
    ended(one)
    until(lambda: dispatch(shop) or running(shop) == ["two"])
    assert two.status().gpus == []


def test_a_killed_worker_gives_its_slot_back(shop):
    one, two = new(shop, "one"), new(shop, "two")
    start(one)
    until(lambda: one.status().process is not None)
    start(two)
    os.kill(one.status().process.pid, signal.SIGKILL)
    until(lambda: dispatch(shop) or running(shop) == ["two"])
    assert one.status().state == "crashed"


def test_more_slots(shop, monkeypatch):
    monkeypatch.setenv("VITBENCH_SLOTS", "2")
    runs = [new(shop, name) for name in ("one", "two", "three")]
    assert [start(run) is not None for run in runs] == [True, True, False]
    assert "2 runs of yours compute" in runs[2].status().waits_for


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²", "9" * 30])
def test_a_number_of_slots_that_is_none(monkeypatch, text):
    monkeypatch.setenv("VITBENCH_SLOTS", text)
    with pytest.raises(UserError, match="VITBENCH_SLOTS"):
        slots()


def test_a_newcomer_does_not_overtake_who_waits(shop):
    slot = take_slot()
    first = new(shop, "first")
    start(first)
    slot.close()  # free, and nobody has looked at the queue yet
    late = new(shop, "late")
    assert start(late) is None
    assert late.status().waits_for == "Run first waits for a CPU slot before it."
    dispatch(shop)
    assert running(shop) == ["first"]


def test_order_can_be_changed(shop):
    slot = take_slot()
    runs = {name: new(shop, name) for name in ("a", "b", "c")}
    for run in runs.values():
        start(run)
    move(runs["c"], first=True)
    move(runs["a"], first=False)
    slot.close()
    seen = []
    for _ in range(3):
        until(lambda: dispatch(shop) or running(shop))
        seen += running(shop)
        ended(runs[seen[-1]])
    assert seen == ["c", "b", "a"]


def test_a_held_run_lets_others_pass_until_it_is_released(shop):
    slot = take_slot()
    one, two = new(shop, "one"), new(shop, "two")
    start(one)
    start(two)
    hold(one)
    slot.close()
    dispatch(shop)
    assert running(shop) == ["two"]
    assert "Held" in one.status().waits_for
    ended(two)
    dispatch(shop)
    assert running(shop) == []
    release(one)
    until(lambda: dispatch(shop) or running(shop) == ["one"])


def test_a_run_that_is_queued_held_does_not_start(shop):
    run = new(shop, "held")
    assert start(run, held=True) is None
    dispatch(shop)
    assert running(shop) == []
    never_queued = new(shop, "never queued")
    with pytest.raises(StateChanged):
        hold(never_queued)


def test_one_after_another(shop, monkeypatch):
    monkeypatch.setenv("VITBENCH_SLOTS", "4")
    first, second = new(shop, "first"), new(shop, "second")
    start(first)
    assert start(second, after=[first]) is None
    assert second.status().waits_for == 'Starts after "first" has finished.'
    dispatch(shop)
    assert running(shop) == ["first"]
    ended(first)
    dispatch(shop)
    assert second.status().state == "failed"  # what it was to build on was stopped
    assert f"after run {first.id}, which is stopped" in second.status().error


def test_runs_cannot_wait_for_each_other(shop):
    slot = take_slot()
    runs = [new(shop, name) for name in ("a", "b", "c")]
    for run in runs:
        start(run)
    start_after(runs[1], [runs[0]])
    start_after(runs[2], [runs[1]])
    with pytest.raises(UserError, match="cannot start after c, which starts after it"):
        start_after(runs[0], [runs[2]])
    with pytest.raises(UserError, match="after itself"):
        start_after(runs[0], [runs[0]])
    slot.close()


def test_a_deleted_run_is_waited_for_in_vain(shop):
    first, second = new(shop, "first"), new(shop, "second")
    start(second, after=[first])
    shop.remove(first)
    dispatch(shop)
    assert second.status().state == "failed"
    assert "has been deleted" in second.status().error


def test_the_command_shows_and_changes_the_queue(shop, capsys):
    slot = take_slot()
    runs = [new(shop, name) for name in ("a", "b")]
    for run in runs:
        start(run)
    assert main(["queue", "b", "--first"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["b", "a"]
    assert "VITBENCH_SLOTS = 1" in lines[1]
    assert main(["queue", "a", "--hold", "--json"]) == 0
    held = {row["name"]: row["held"] for row in json.loads(capsys.readouterr().out)}
    assert held == {"a": True, "b": False}
    assert main(["queue", "a", "--release"]) == 0
    assert main(["queue", "a", "--after", "b"]) == 0
    assert runs[0].status().after == [runs[1].id]
    assert main(["queue", "--hold"]) == 2
    assert main(["queue", "a"]) == 2
    ended_run = new(shop, "c")
    assert main(["queue", "c", "--hold"]) == 2
    assert "does not wait" in capsys.readouterr().err
    assert ended_run.status().state == "queued"
    slot.close()


def test_a_run_of_another_machines_queue_says_where_it_waits(shop, capsys, monkeypatch):
    """As under the name that this machine had before: nobody here starts it, and the reader is told what does."""
    slot = take_slot()
    run = new(shop, "a")
    start(run)
    monkeypatch.setattr("vitbench.runs.process.socket.gethostname", lambda: "another-name")
    assert main(["queue"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert f"`vitbench resume {run.id}` queues it on another-name" in line
    assert "VITBENCH_SLOTS = 1" in line
    assert reason_to_wait(run.id, run.status().model_copy(update={"held": True})) == run.status().waits_for
    slot.close()


def test_several_schedulers_start_a_run_once(shop):
    slot = take_slot()
    run = new(shop, "one")
    start(run)
    slot.close()
    started = []

    def start_one(run):
        pid = launch_queued(run, command(run))
        started.extend([pid] if pid is not None else [])
        return pid

    threads = [threading.Thread(target=Scheduler(shop, start_one).dispatch, args=([run],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert running(shop) == ["one"]


def test_a_run_that_waits_in_slurm_is_in_no_queue_here(shop):
    """It has no place among those that wait for a GPU here, says SLURM's own reason, and is not ours to reorder."""
    here, there = new(shop, "here"), new(shop, "there")
    said = "SLURM job 7 waits: Resources."
    for run, facts in ((there, {"queued_for": [SLURM], "waits_for": said, "slurm_job": "7"}), (here, {})):
        transition(run, "queued", "queued", by="launcher", queued_at=1.0, **facts)
    rows = {run.id: row_of(run, run.status()) for run in (here, there)}
    assert _places_in_queue(rows) == {here.id: 1}
    assert (rows[there.id].state_word, rows[there.id].waiting) == ("in SLURM", said)
    for change in (hold, release, lambda run: move(run, first=True), lambda run: start_after(run, [here])):
        with pytest.raises(UserError, match=r"waits in SLURM, which alone decides .* job 7"):
            change(there)
    assert not there.status().held


def test_a_run_whose_job_could_not_be_requeued_is_submitted_again(shop, monkeypatch):
    """It saved too late, or on a node without scontrol; one whose job is gone otherwise was cancelled."""
    submitted = []
    monkeypatch.setattr("vitbench.runs.slurm_watch.jobs_of", lambda ids: {})
    monkeypatch.setattr("vitbench.runs.launcher.launch", lambda run: submitted.append(run.id))
    asked, cancelled, fresh = (new(shop, name) for name in ("asked", "cancelled", "fresh"))
    for run in (asked, cancelled, fresh):
        since = time.time() if run is fresh else 1.0
        facts = {"queued_at": since, "queued_for": [SLURM], "slurm_job": "7"}
        transition(run, "queued", "queued", by="launcher", **facts)
    for run in (asked, fresh):
        marker(run).parent.mkdir()
        marker(run).touch()
    watch_slurm([(run, run.status()) for run in (asked, cancelled, fresh)])
    assert submitted == [asked.id]
    assert (marker(asked).exists(), marker(fresh).exists()) == (False, True)
    assert [run.status().state for run in (asked, cancelled, fresh)] == ["queued", "failed", "queued"]
    assert "cancelled there?" in cancelled.status().error
