"""Run folders and what a person does to a run, with real processes."""

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import control
from vitbench.runs.launcher import launch
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.log import LogTail, RunLog
from vitbench.runs.process import ProcessName, is_alive, marked_processes, this_process
from vitbench.runs.status import HeartbeatWatch, Status, is_run, read_status, write_status
from vitbench.runs.store import Run, Store
from vitbench.runs.transition import RunGone, transition
from vitbench.training.heartbeat import Heartbeat

# A stand-in worker: it takes the run, says that it runs, obeys, and starts a child in a session of its own.
WORKER = """
import subprocess, sys, time
from pathlib import Path
from vitbench.runs.lock import RunLock
from vitbench.runs.process import this_process
from vitbench.runs.store import Run
from vitbench.runs.transition import transition
run = Run(Path(sys.argv[1]))
lock = RunLock.of_worker(run.folder)
assert lock.acquire()
transition(run, "running", "running", by="worker", process=this_process())
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
while True:
    for request, outcome in (("pause", "paused"), ("stop", "stopped")):
        if request in run.requests():
            child.kill()
            child.wait()
            transition(run, "running", outcome, by="worker")
            sys.exit()
    time.sleep(0.02)
"""


@pytest.fixture
def shop(store) -> Store:
    return Store(store)


def recipe(**tables) -> Recipe:
    return Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}, **tables})


def started(run: Run) -> Run:
    process = launch(run, [sys.executable, "-c", WORKER, str(run.folder)])
    deadline = time.monotonic() + 30
    while run.status().process is None or len(marked_processes(run.folder)) < 2:
        assert time.monotonic() < deadline, (run.folder / "worker.log").read_text()
        time.sleep(0.02)
    assert process == run.status().process.pid
    return run


def test_a_run_is_a_folder_that_says_what_it_is(shop):
    run = shop.create(recipe(), name="Pets, first try \x1b[31m")
    assert run.status().state == "queued"
    assert run.recipe().model.name == "demo"
    assert run.id.isascii()
    assert "pets-first-try" in run.id
    assert shop.find(run.id).folder == shop.find("Pets, first try \x1b[31m").folder == run.folder
    assert shop.find(run.id[:-1]).id == run.id
    by_path = Store(shop.folder / "another").find(str(run.folder))
    assert (by_path.folder, by_path.id, by_path.reference) == (run.folder, run.id, str(run.folder))
    with pytest.raises(UserError, match="There is no run"):
        shop.find("nothing")


def test_a_run_that_lost_its_status_is_listed_and_can_be_resumed(shop, monkeypatch, capsys):
    monkeypatch.setenv("VITBENCH_HOME", str(shop.folder))
    whole, lost = shop.create(recipe()), shop.create(recipe(), name="lost")
    (lost.folder / "status.json").unlink()
    assert not is_run(lost.folder)  # it may be about to be deleted
    os.utime(lost.folder, (time.time() - 100,) * 2)
    (shop.runs_folder / "a folder of somebody").mkdir()
    assert main(["runs", "--json"]) == 0
    states = {row["id"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert states == {whole.id: "queued", lost.id: "crashed"}
    assert "lost its status.json" in shop.find(lost.id).status().error
    with pytest.raises(RunGone, match=r"no status\.json"):
        transition(lost, "running", "finished", by="worker")
    assert not (lost.folder / "status.json").exists()
    status = transition(lost, "crashed", "queued", by="launcher")
    assert (status.state, status.name, lost.status().state) == ("queued", "lost", "queued")


def test_a_beginning_that_fits_two_runs_is_refused(shop):
    runs = [shop.create(recipe(), name="twin") for _ in range(2)]
    with pytest.raises(UserError, match="may mean 2 runs"):
        shop.find("twin")
    assert [run.id for run in shop.runs()] == sorted(run.id for run in runs)


def _create(folder):
    return [Store(folder).create(recipe(), name="same").id for _ in range(20)]


def test_two_processes_that_create_at_once_never_collide(store):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        ids = [one for some in pool.map(_create, [store] * 4) for one in some]
    assert len(set(ids)) == 80 == len(Store(store).runs())


def test_a_running_run_is_paused_stopped_and_killed(shop):
    run = started(shop.create(recipe()))
    with pytest.raises(UserError, match="running already"):
        launch(run)
    with pytest.raises(UserError, match="running already"):
        control.resume(run)
    control.pause(run)
    assert control.wait(run, 20).state == "paused"
    started(run)
    control.stop(run)
    assert control.wait(run, 20).state == "stopped"
    with pytest.raises(UserError, match="stopped already"):
        control.pause(run)


def test_kill_ends_children_in_sessions_of_their_own(shop):
    run = started(shop.create(recipe()))
    assert len(marked_processes(run.folder)) == 2
    control.kill(run)
    assert marked_processes(run.folder) == []
    assert run.status().state == "stopped"
    assert not is_held(run.folder)


def test_a_worker_that_died_reads_as_crashed_with_its_last_words(shop):
    run = started(shop.create(recipe()))
    RunLog(run.log).write(41, "info", "epoch 2 began")
    pid = run.status().process.pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert run.status().state == "crashed"
    assert "epoch 2 began" in run.status().error
    # Its child holds the lock too until it has become another program, which may be an instant later.
    deadline = time.monotonic() + 30
    while is_held(run.folder):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    control.kill(run)


def test_a_pid_that_was_given_again_is_another_process():
    name = this_process()
    assert is_alive(name)
    assert not is_alive(name.model_copy(update={"start_ticks": name.start_ticks + 1}))
    assert not is_alive(name.model_copy(update={"boot_id": "another boot"}))


def test_another_hosts_run_lives_while_its_heartbeat_advances_on_our_clock(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("vitbench.runs.status.time.monotonic", lambda: now)
    watch = HeartbeatWatch(patience=60)
    assert watch.is_alive(tmp_path, heartbeat=5e9)  # its clock is decades ahead, which means nothing
    now += 59
    assert watch.is_alive(tmp_path, heartbeat=5e9)
    now += 2
    assert not watch.is_alive(tmp_path, heartbeat=5e9)
    assert watch.is_alive(tmp_path, heartbeat=17.0)


def test_another_hosts_run_is_left_alone_while_its_heart_beats_and_taken_over_when_it_does_not(shop, monkeypatch):
    monkeypatch.setattr("vitbench.runs.liveness._WATCH", HeartbeatWatch(patience=1.0))
    run = shop.create(recipe(train={"device": "cpu"}))
    elsewhere = ProcessName(host="elsewhere", boot_id="x", pid=os.getpid(), start_ticks=1)
    write_status(run.folder, Status(state="running", process=elsewhere, host="elsewhere", heartbeat=5e9))

    def beat():
        heart = Heartbeat(run.folder, run.status(), interval=0.05)
        heart.start()
        return heart

    heart = beat()
    for act in (control.kill, control.resume):
        with pytest.raises(UserError, match="is running on elsewhere; use vitbench there"):
            act(run)
    with pytest.raises(UserError, match="is running"):
        shop.remove(run)
    assert control.pause(run) == "is asked to save and free the GPU"
    assert run.requests() == {"pause"}
    heart.stop()
    assert control.kill(run) == "had crashed already"
    assert run.requests() == set()
    started(run)
    assert run.status().process.host != "elsewhere"
    control.kill(run)


def test_a_full_disk_leaves_the_old_status(shop):
    run = shop.create(recipe())
    before = read_status(run.folder)
    program = (
        "import resource, signal, sys; from pathlib import Path; from vitbench.runs.status import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "write_status(Path(sys.argv[1]), Status(state='running'))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program, str(run.folder)], capture_output=True, text=True)
    assert "OSError" in answer.stderr
    assert read_status(run.folder) == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert not list(run.folder.glob(".*tmp"))


def test_a_half_deleted_folder_is_not_a_crash(shop):
    run = shop.create(recipe())
    (run.folder / "status.json").write_text('{"state": "runn')
    assert run.status().state == "crashed"
    assert abs(time.time() - run.status().created_at) < 3600  # not the year 1970
    (run.folder / "status.json").unlink()
    assert shop.runs() == []
    assert run.status().state == "crashed"


def test_remove_takes_a_link_away_and_not_what_it_points_to(shop, tmp_path):
    precious = tmp_path / "precious"
    shop.create(recipe()).folder.rename(precious)
    (shop.runs_folder / "link").symlink_to(precious)
    shop.remove(shop.find("link"))
    assert (precious / "status.json").exists()
    assert shop.runs() == []


def test_a_log_line_without_its_end_is_not_there_yet(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    tail = LogTail(tmp_path / "log.jsonl")
    assert tail.read() == []
    log.write(1, "info", "a\nb \x1b[0m ü")
    assert [line.text for line in tail.read()] == ["a\nb \x1b[0m ü"]
    with (tmp_path / "log.jsonl").open("ab") as stream:
        stream.write(b'{"time": 1, "step": 2, "level": "info", "te')
        stream.flush()
        assert tail.read() == []
        stream.write(b'xt": "whole"}\nnot json\n')
    assert [line.text for line in tail.read()] == ["whole", "not json"]


def test_the_commands(shop, capsys):
    run = shop.create(recipe(), name="first")
    assert main(["runs"]) == 0
    assert run.id in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "queued"
    assert main(["show", "first"]) == 0
    assert "state        queued" in capsys.readouterr().out
    assert main(["pause", "first"]) == 0
    assert run.status().state == "paused"
    assert main(["show", "nonsense"]) == 2
    assert "There is no run 'nonsense'" in capsys.readouterr().err
    assert main(["rm", "first"]) == 0
    assert shop.runs() == []


def test_metrics_of_a_run_and_of_any_folder(shop, tmp_path, capsys):
    from vitbench.runs.event_writer import EventWriter

    run = shop.create(recipe(), name="measured")
    for folder in (run.folder, tmp_path):
        writer = EventWriter(folder)
        writer.scalars(3, {"train/loss": 0.1, "odd": float("nan")})
        writer.close()
    assert main(["metrics", "measured", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["train/loss"]["steps"], document["train/loss"]["values"]) == ([3], [0.1])
    assert document["odd"]["values"] == [None]
    assert main(["metrics", str(tmp_path), "--csv", "--tag", "train/loss"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tag,step,wall_time,value"
    assert lines[1].startswith("train/loss,3,")
    assert lines[1].endswith(",0.1")
    assert main(["metrics", "measured", "--tag", "nope"]) == 2


def test_one_who_only_looks_does_not_turn_a_worker_away(tmp_path):
    """A look holds the lock for an instant; the worker that starts in that instant waits for it."""
    look, worker = RunLock(tmp_path), RunLock(tmp_path)
    assert look.acquire()
    ending = threading.Timer(0.1, look.release)
    ending.start()
    assert worker.acquire()
    ending.join()
    assert is_held(tmp_path)
    worker.release()
    assert not is_held(tmp_path)
