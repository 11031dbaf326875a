"""Checkpoints over the run: spread, within a budget of disk, weights only; and a resume that is none the wiser."""

from itertools import pairwise

import pytest
import torch

from tests.training.training_helpers import start, tiny_recipe
from vitbench.recipe_tables import TrainTable
from vitbench.runs.checkpoints import read_index
from vitbench.runs.log import last_lines
from vitbench.training.history import GIB, history_size, history_words, thinned
from vitbench.training.loop import train


@pytest.mark.parametrize("saves", [1, 2, 5, 10, 11, 30, 97, 400])
@pytest.mark.parametrize("most", [2, 3, 10])
def test_a_growing_run_is_thinned_evenly(saves, most):
    kept: frozenset[int] = frozenset()
    for step in range(30, 30 * saves + 1, 30):
        kept = thinned(kept | {step}, most)
        assert step in kept
        assert 30 in kept
    assert len(kept) == min(saves, most)
    places = sorted(kept)
    gaps = [later - earlier for earlier, later in pairwise(places)][:-1]
    assert not gaps or max(gaps) <= 2 * min(gaps)


def test_the_budget_says_how_many():
    table = TrainTable(keep_checkpoints=10, keep_checkpoints_gib=2.0)
    assert history_size(table, 22 * 2**20) == 10
    assert history_size(table, GIB // 2) == 4
    assert history_size(table, GIB + 1) == 0
    assert "up to 4 spread over the run are kept, 0.50 GiB each" in history_words(table, GIB // 2)
    assert "fewer than train.keep_checkpoints = 10 to stay within 2 GiB" in history_words(table, GIB // 2)
    assert "only the best and the last are kept" in history_words(table, GIB + 1)
    assert "fewer" not in history_words(table, 22 * 2**20)
    assert "8 KiB each" in history_words(table, 2**13)
    none = TrainTable(keep_checkpoints=0)
    assert history_size(none, 1) == 0
    assert "train.keep_checkpoints = 0" in history_words(none, 1)


def _trained(folder, stop_at=(), **table):
    """A run of 36 steps, saved at every second; at some steps its worker is killed and another one goes on."""
    recipe = tiny_recipe(train={"checkpoint_every": 2, "epochs": 6, **table})
    training, monitor, run = start(folder, recipe)
    for stop in stop_at:
        monitor.request = lambda stop=stop, training=training: "stop" if training.step == stop else None
        train(training, monitor)
        training, monitor, run = start(folder, recipe, run)
    train(training, monitor)
    return run, training, monitor


def test_a_run_keeps_weights_to_look_back_and_resumes_bit_for_bit(tmp_path):
    run, straight, _ = _trained(tmp_path / "straight", keep_checkpoints=5)
    index = read_index(run.folder / "checkpoints")
    assert not index.problem
    assert len(index.history) == 5
    assert {entry.step for entry in run.checkpoints()} == index.wanted
    for step in index.without_state:
        files = {file.name for file in run.checkpoint(step).folder.iterdir()}
        assert {"model.safetensors", "network.json"} <= files
        assert "state.pt" not in files
    assert (run.checkpoint("last").folder / "state.pt").is_file()
    first = next(line.text for line in last_lines(run.log, 200) if "spread over the run" in line.text)
    assert "up to 5" in first

    resumed, broken, _ = _trained(tmp_path / "broken", stop_at=(7, 18), keep_checkpoints=5)
    without, plain, _ = _trained(tmp_path / "plain", keep_checkpoints=0)
    assert {entry.step for entry in without.checkpoints()} == read_index(without.folder / "checkpoints").wanted
    assert len(without.checkpoints()) <= 2
    for other in (broken, plain):
        for name, value in straight.plain_module.state_dict().items():
            assert torch.equal(value, other.plain_module.state_dict()[name]), name
    assert len(read_index(resumed.folder / "checkpoints").history) == 5


def test_a_damaged_last_checkpoint_goes_back_to_one_that_can_be_resumed(tmp_path):
    run, training, _ = _trained(tmp_path, keep_checkpoints=5)
    best = run.checkpoint("best").step
    last = run.checkpoint("last")
    assert best != last.step, "this run has its best before its end"
    (last.folder / "model.safetensors").write_bytes(b"nothing")
    again, monitor, _ = start(tmp_path, training.recipe, run)
    assert again.step == best
    assert not any("no state.pt" in remark for remark in monitor.checkpoints.remarks)
    train(again, monitor)
    for name, value in training.plain_module.state_dict().items():
        assert torch.equal(value, again.plain_module.state_dict()[name]), name
    index = read_index(run.folder / "checkpoints")
    assert len(index.history) == 5
    assert {entry.step for entry in run.checkpoints()} == index.wanted
