"""A sweep carried out with played workers: what is tried, stopped, resumed after kills, and said of it."""

import json
import multiprocessing
import os
import random
import signal
import time

import pytest

from tests.sweeps.played_training import command
from vitbench.cli import main
from vitbench.recipe import load_recipe
from vitbench.runs import control, launcher
from vitbench.runs.states import ENDED
from vitbench.runs.store import Store
from vitbench.sweeps import manager as managing
from vitbench.sweeps.effects import effects
from vitbench.sweeps.history import metric_of, read_history
from vitbench.sweeps.manager import Manager, stop_sweep
from vitbench.sweeps.plan import parse_plan
from vitbench.sweeps.store import Sweep, create_sweep

LR = {"low": 1e-5, "high": 1e-1, "scale": "log"}


def play(monkeypatch):
    """Runs are trained by the stand-in, whoever starts them, and nobody starts a scheduler or a manager."""
    launch = launcher.launch
    monkeypatch.setattr(managing, "launch", lambda run: launch(run, command(run)))
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda store: None)
    monkeypatch.setattr(managing, "start_manager", lambda sweep: 1)


@pytest.fixture
def played(monkeypatch):
    play(monkeypatch)


@pytest.fixture(scope="module")
def whole_grid(tmp_path_factory):
    """A sweep over two keys that has finished."""
    store = tmp_path_factory.mktemp("grid") / "store"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(store))
        monkeypatch.setenv("VITBENCH_SLOTS", "16")
        play(monkeypatch)
        sweep = new(store, space={"optim.name": ["sgd", "adamw"], "optim.lr": [1e-4, 1e-3, 1e-2]}, parallel=3)
        carry_out(sweep)
    return sweep


def new(store, **values):
    recipe = {"data": {"path": str(store.parent)}, "model": {"name": "demo"}, "optim": {"name": "adamw"}}
    return create_sweep(Store(store), parse_plan({"name": "a sweep", "recipe": recipe, **values}, "a test"))


def carry_out(sweep):
    Manager(sweep, pause=0.01).run()


def results(sweep):
    """Trial, repeat, values, best value and where it was stopped, for each run."""
    history = read_history(sweep.store, sweep.id, sweep.plan())
    return {
        (number, repeat): (
            json.dumps(trial.values),
            attempt.best(history.goal),
            attempt.stopped_at,
            attempt.state,
        )
        for number, trial in history.trials.items()
        for repeat, attempt in trial.attempts.items()
    }


def test_a_grid_is_tried_once_each_and_the_best_is_the_best(whole_grid, played, capsys, tmp_path, monkeypatch):
    sweep = whole_grid
    monkeypatch.setenv("VITBENCH_HOME", str(sweep.store.folder))
    assert sweep.state() == ("finished", "")
    found = results(sweep)
    assert len(found) == 6
    assert len(sweep.store.runs()) == 6
    assert {state for _, _, _, state in found.values()} == {"finished"}
    assert main(["sweep", "a sweep", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["board"][0]["values"] == {"optim.name": "adamw", "optim.lr": 1e-3}
    scores = [row["score"] for row in document["board"]]
    assert scores == sorted(scores, reverse=True)
    best = tmp_path / "best.toml"
    assert main(["sweep", "a sweep", "--best", str(best)]) == 0
    recipe = load_recipe(best)
    assert (recipe.optim.name, recipe.optim.lr) == ("adamw", 1e-3)
    assert main(["sweep", "a sweep"]) == 0
    text = capsys.readouterr().out
    assert "6 of 6 trials ended" in text
    assert "optim.lr (" in text
    assert main(["sweep"]) == 0
    assert "finished  6 of 6 trials" in capsys.readouterr().out


def test_repeats_are_seeds_of_one_trial(store, played):
    sweep = new(store, space={"optim.lr": [1e-3, 1e-2]}, repeats=2, parallel=4)
    carry_out(sweep)
    history = read_history(sweep.store, sweep.id, sweep.plan())
    first = history.leaderboard()[0]
    assert first.values == {"optim.lr": 1e-3}
    assert len(first.scores("max")) == 2
    assert first.score("max") == pytest.approx(sum(first.scores("max")) / 2)
    assert len(set(first.scores("max"))) == 2
    assert sorted(attempt.run.recipe().train.seed for attempt in first.attempts.values()) == [0, 1]


def test_seeds_in_the_space_are_repeats_of_one_setting(store, played, capsys, monkeypatch):
    """What `C` of the Sweep screen starts: one setting, trained with three seeds."""
    monkeypatch.setenv("VITBENCH_HOME", str(store))
    sweep = new(store, name="again", space={"optim.lr": [1e-3, 1e-2], "train.seed": [1, 2, 3]}, parallel=6)
    carry_out(sweep)
    history = read_history(sweep.store, sweep.id, sweep.plan())
    first, second = history.leaderboard()
    assert (first.values, first.seeds) == ({"optim.lr": 1e-3}, (1, 2, 3))
    own = [trial.scores("max")[0] for trial in history.trials.values() if trial.values["optim.lr"] == 1e-3]
    assert first.score("max") == pytest.approx(sum(own) / 3)
    assert len(set(own)) == 3
    assert all(trial.is_complete(1) for trial in (first, second))
    assert {effect.key for effect in effects(history)} == {"optim.lr"}
    assert main(["sweep", "again"]) == 0
    text = capsys.readouterr().out
    assert "6 of 6 trials ended" in text
    assert f"({min(own):.4g} to {max(own):.4g}, 3 seeds)  optim.lr=0.001 train.seed=1,2,3" in text


def test_a_sweep_of_several_labels_is_judged_by_their_mean_average_precision():
    recipe = {"task": "multilabel", "data": {"path": "pictures"}, "model": {"name": "demo"}}
    plan = parse_plan({"space": {"optim.lr": [1e-3]}, "recipe": recipe}, "a test")
    assert metric_of(plan, []) == "validation/mean_average_precision"


def test_effects_are_the_differences_of_means(whole_grid):
    sweep = whole_grid
    history = read_history(sweep.store, sweep.id, sweep.plan())
    found = {effect.key: effect for effect in effects(history)}
    sgd, adamw = found["optim.name"].levels
    assert adamw.score.value - sgd.score.value == pytest.approx(0.05 * (1 - 2.718281828**-4), rel=1e-3)
    assert sum(effect.share for effect in found.values()) == pytest.approx(1, abs=1e-6)  # the keys only add up here
    assert all(level.score.low <= level.score.value <= level.score.high for level in found["optim.lr"].levels)


@pytest.mark.parametrize("rule", ["median", "halving"])
def test_losers_are_stopped_early_and_the_best_is_not(store, played, rule):
    stopping = {"rule": rule, "after": 0.3, "at_least": 2}
    space = {"optim.lr": [1e-3, 2e-3, 1e-5, 1e-6]}
    sweep = new(store, space=space, stopping=stopping)
    carry_out(sweep)
    found = results(sweep)
    stopped = {number: share for (number, _), (_, _, share, _) in found.items() if share is not None}
    assert {2, 3} <= set(stopped)
    assert 0 not in stopped
    for number, share in stopped.items():
        best = found[number, 0][1]
        assert best.step <= share * 20
    history = read_history(sweep.store, sweep.id, sweep.plan())
    assert history.leaderboard()[0].values == {"optim.lr": 1e-3}


def test_a_loser_that_is_at_work_is_ended(store, played, monkeypatch):
    monkeypatch.setenv("PLAYED_PAUSE", "0.1")
    sweep = new(store, space={"optim.lr": [1e-3, 1e-6]}, stopping={"rule": "halving", "after": 0.2, "keep": 2})
    carry_out(sweep)
    last = results(sweep)[1, 0]
    assert last[2:] == (0.2, "stopped")
    assert last[1].step <= 4


def test_trials_can_be_added_later(store, played):
    sweep = new(store, method="random", trials=2, space={"optim.lr": LR}, parallel=2)
    carry_out(sweep)
    before = results(sweep)
    assert main(["sweep", sweep.id, "--trials", "3"]) == 0
    carry_out(sweep)
    after = results(sweep)
    assert len(after) == 3
    assert {place: after[place] for place in before} == before
    assert main(["sweep", sweep.id, "--trials", "1"]) == 2


def test_a_stopped_sweep_makes_no_more_runs_and_goes_on_when_resumed(store, played):
    sweep = new(store, method="random", trials=2, space={"optim.lr": LR})
    manager = Manager(sweep, pause=0.01)
    manager.poll()
    assert stop_sweep(sweep, runs=True) == 1
    carry_out(sweep)
    assert len(Store(store).runs()) == 1
    assert main(["sweep", sweep.id, "--resume"]) == 0
    carry_out(sweep)
    assert len(results(sweep)) == 2


def test_what_makes_a_sweep_impossible_is_its_reason(store, played, capsys):
    sweep = new(store, space={"optim.lr": [1e-3]}, recipe={"data": {"path": str(store / "nowhere")}})
    carry_out(sweep)
    state, why = sweep.state()
    assert state == "failed"
    assert "data.path" in why
    assert main(["sweep"]) == 0
    assert "data.path" in capsys.readouterr().out


def test_a_copied_run_is_left_out_and_named(store, played, capsys):
    import shutil

    sweep = new(store, space={"optim.lr": [1e-3, 1e-2]})
    carry_out(sweep)
    run = Store(store).runs()[0]
    shutil.copytree(run.folder, run.folder.with_name("zz-copy"))
    assert read_history(sweep.store, sweep.id, sweep.plan()).doubles == ("zz-copy",)
    assert main(["sweep", sweep.id]) == 0
    assert "copies: zz-copy" in capsys.readouterr().out


def _manage(folder):
    launch = launcher.launch
    managing.launch = lambda run: launch(run, command(run))
    carry_out(Sweep(folder))


@pytest.mark.storm
def test_killed_again_and_again_it_ends_as_if_nobody_had(tmp_path, monkeypatch, played, storm_rounds):
    """Managers and workers are killed at random moments: the same trials, the same results, each exactly once."""
    kills, trials = (20, 12) if storm_rounds > 5 else (4, 3)
    settings = {"method": "random", "trials": trials, "space": {"optim.lr": LR}, "parallel": 2}
    quiet = new(tmp_path / "quiet", **settings)
    carry_out(quiet)
    sweep = new(tmp_path / "killed", **settings)
    context = multiprocessing.get_context("fork")
    generator = random.Random(0)
    struck = 0
    deadline = time.monotonic() + (1800 if storm_rounds > 5 else 240)
    while sweep.state()[0] == "running":
        assert time.monotonic() < deadline
        process = context.Process(target=_manage, args=(sweep.folder,))
        process.start()
        process.join(generator.uniform(0.1, 0.8) if struck < kills else 60)
        if struck < kills:
            running = [run.status().process for run in sweep.store.runs() if run.status().state == "running"]
            victims = [name.pid for name in running if name is not None] if generator.random() < 0.5 else []
            for pid in [*victims, process.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.join()
            struck += 1
    assert struck == kills
    assert results(sweep) == results(quiet)
    assert len(sweep.store.runs()) == trials
    for run in sweep.store.runs():
        assert run.status().state in ENDED
        control.kill(run)
