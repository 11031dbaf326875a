"""Checkpoints whose index or files are damaged: nothing is deleted, and the run goes on from the newest whole one."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.training_helpers import same_weights, start, tiny_recipe
from vitbench.errors import UserError
from vitbench.runs.checkpoints import checkpoint_steps, read_index
from vitbench.runs.store import Run
from vitbench.training.checkpoint import Checkpoints
from vitbench.training.environment import frozen_threads, write_environment
from vitbench.training.loop import train

EVERY = {"train": {"checkpoint_every": 2, "epochs": 3, "keep_checkpoints": 0}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 18 steps that kept the checkpoints of steps 4 and 8 by request; the last is that of 18."""
    folder = tmp_path_factory.mktemp("finished")
    training, monitor, run = start(folder, tiny_recipe(**EVERY))
    monitor.request = lambda: "checkpoint" if training.step in (4, 8) else None
    train(training, monitor)
    return run, training


@pytest.fixture
def run(finished, tmp_path):
    folder = tmp_path / "runs" / finished[0].id
    shutil.copytree(finished[0].folder, folder)
    return Run(folder)


def names(run) -> Path:
    return run.folder / "checkpoints" / "names.json"


def steps(run) -> list[int]:
    return [entry.step for entry in run.checkpoints()]


def test_the_index_and_the_folders_agree(run):
    index = read_index(run.folder / "checkpoints")
    assert not index.problem
    assert index.last == run.checkpoint("last").step == 18
    assert index.best == run.checkpoint("best").step
    assert {4, 8} <= index.kept
    assert set(steps(run)) == index.wanted
    assert not index.obsolete


def link(file):
    file.symlink_to(file.with_name("gone"))


DAMAGES = {
    "missing": lambda file: None,
    "empty object": lambda file: file.write_text("{}"),
    "null": lambda file: file.write_text('{"last": null}'),
    "not there": lambda file: file.write_text('{"last": 7}'),
    "swapped": lambda file: file.write_text('{"last": 4, "best": 4}'),
    "list": lambda file: file.write_text("[18]"),
    "text": lambda file: file.write_text('{"last": "18"}'),
    "fraction": lambda file: file.write_text('{"last": 18.0}'),
    "true": lambda file: file.write_text('{"last": true}'),
    "infinite": lambda file: file.write_text('{"last": 1e999}'),
    "negative": lambda file: file.write_text('{"last": -18}'),
    "kept is a number": lambda file: file.write_text('{"last": 18, "kept": 4}'),
    "obsolete is a word": lambda file: file.write_text('{"last": 18, "obsolete": ["4"]}'),
    "best of nothing": lambda file: file.write_text('{"last": 18, "best": 99, "kept": []}'),
    "cut": lambda file: file.write_text('{"last": 18, "kep'),
    "NUL bytes": lambda file: file.write_bytes(bytes(40)),
    "deep": lambda file: file.write_text("[" * 100_000),
    "no text": lambda file: file.write_bytes(b"\xff\xfe{}"),
    "a FIFO": os.mkfifo,
    "a folder": lambda file: file.mkdir(),
    "a link to nothing": link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_checkpoint_is_lost_with_its_index(run, tmp_path, finished, damage):
    before = steps(run)
    names(run).unlink()
    DAMAGES[damage](names(run))
    # Both readers agree, and looking changes nothing.
    assert Checkpoints(run.folder / "checkpoints").last == run.checkpoint("last").step == 18
    assert steps(run) == before
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    assert training.step == 18
    assert same_weights(training.plain_module, finished[1].plain_module)
    assert any("none is deleted" in remark for remark in monitor.checkpoints.remarks)
    monitor.save(training)
    assert set(before) <= set(steps(run))
    assert not read_index(run.folder / "checkpoints").problem
    assert run.checkpoint("best").step in before


def test_without_folders_an_index_makes_none(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    assert Checkpoints(folder).remarks == []
    (folder / "names.json").write_text('{"last": 7}')
    (folder / "step-00000009").mkdir()
    (folder / "step-00000007").write_text("a file")
    (folder / "step-x").mkdir()
    checkpoints = Checkpoints(folder)
    assert checkpoints.last is None
    assert "names step 7 as the last, which is not there" in checkpoints.remarks[0]
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "names.json", "step-00000007", "step-00000009", "step-x"
    ]  # fmt: skip


def test_killed_between_a_checkpoint_and_its_name_the_newer_one_counts(run, tmp_path):
    folder = run.folder / "checkpoints"
    index = json.loads(names(run).read_text())
    names(run).write_text(json.dumps({**index, "last": 8, "kept": [4]}))
    assert Checkpoints(folder).last == run.checkpoint("last").step == 18
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    assert training.step == 18
    monitor.save(training)
    assert {4, 8, 18} <= set(steps(run))


def test_what_was_replaced_goes_after_the_next_save_only(run, tmp_path):
    folder = run.folder / "checkpoints"
    index = json.loads(names(run).read_text())
    names(run).write_text(json.dumps({**index, "kept": [8], "obsolete": [4]}))
    litter = [folder / ".step-00000016.4711-9f2c.tmp", folder / "step-00000008" / ".state.pt.4711-0abc.tmp"]
    for left in litter:  # by killed workers
        left.mkdir()
        (left / "state.pt").touch()
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    assert 4 in steps(run)
    assert not monitor.checkpoints.remarks
    monitor.save(training)
    assert 4 not in steps(run)
    assert 8 in steps(run)
    assert not list(folder.rglob("*.tmp"))


def state_of(folder):
    return torch.load(folder / "state.pt", weights_only=True)


def changed(**values):
    def change(folder):
        torch.save(state_of(folder) | values, folder / "state.pt")

    return change


def flip(name, place):
    def change(folder):
        data = bytearray((folder / name).read_bytes())
        data[int(place * len(data))] ^= 0x10
        (folder / name).write_bytes(data)

    return change


def poisoned(value, checked=True):
    def change(folder):
        weights = load_file(folder / "model.safetensors")
        next(iter(weights.values())).view(-1)[3] = value
        save_file(weights, folder / "model.safetensors")
        if not checked:
            torch.save(state_of(folder) | {"weights_crc32": None}, folder / "state.pt")

    return change


def in_the_optimizer(change_of_state):
    def change(folder):
        state = state_of(folder)
        change_of_state(state["optimizer"])
        torch.save(state, folder / "state.pt")

    return change


def fifo(folder):
    (folder / "state.pt").unlink()
    os.mkfifo(folder / "state.pt")


def same_state(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_state(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return all(map(same_state, one, other))
    return one == other


class Payload:
    def __reduce__(self):
        return (os.system, ("touch executed",))


DAMAGED = {
    **{f"state flipped at {place}": flip("state.pt", place) for place in (0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)},
    **{f"weights flipped at {place}": flip("model.safetensors", place) for place in (0.0001, 0.02, 0.5, 0.99)},
    "a list": lambda folder: torch.save([1, 2], folder / "state.pt"),
    "a number": lambda folder: torch.save(7, folder / "state.pt"),
    "a tensor": lambda folder: torch.save(torch.zeros(3), folder / "state.pt"),
    "empty": lambda folder: (folder / "state.pt").write_bytes(b""),
    "cut": lambda folder: (folder / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:5000]),
    "a payload": lambda folder: torch.save({"format": 1, "x": Payload()}, folder / "state.pt"),
    "a FIFO": fifo,
    "step of another": changed(step=12),
    "step -5": changed(step=-5),
    "step x": changed(step="x"),
    "step a tensor": changed(step=torch.tensor(18)),
    "evaluated later": changed(evaluated_step=10**9),
    "batch 0": changed(batch_size=0),
    "batch -5": changed(batch_size=-5),
    "batch too large": changed(batch_size=10**12),
    "accumulate x": changed(accumulate="x"),
    "patience None": changed(evaluations_without_best=None),
    "best a list": changed(best=[1]),
    "best later": changed(best={"metric": "m", "value": 1.0, "step": 99}),
    "best NaN": changed(best={"metric": "m", "value": float("nan"), "step": 4}),
    "scaler a number": changed(scaler=3),
    "optimizer None": changed(optimizer=None),
    "optimizer empty": changed(optimizer={}),
    "optimizer's state a list": in_the_optimizer(lambda state: state.update(state=[1])),
    "optimizer's moments cut": in_the_optimizer(
        lambda state: state["state"][0].update(exp_avg=state["state"][0]["exp_avg"].flatten()[:3])
    ),
    "optimizer's moments NaN": in_the_optimizer(lambda state: state["state"][2]["exp_avg_sq"].fill_(float("nan"))),
    "optimizer's moments text": in_the_optimizer(lambda state: state["state"][0].update(exp_avg="x")),
    "betas a text": in_the_optimizer(lambda state: state["param_groups"][0].update(betas="x")),
    "lr a text": in_the_optimizer(lambda state: state["param_groups"][0].update(lr="x")),
    "no groups": in_the_optimizer(lambda state: state.update(param_groups=[])),
    "NaN in the weights": poisoned(float("nan")),
    "NaN without a checksum": poisoned(float("nan"), checked=False),
    "infinity without a checksum": poisoned(float("inf"), checked=False),
    "weights of nothing": lambda folder: save_file({}, folder / "model.safetensors"),
    "weights cut": lambda folder: (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_checkpoint_is_set_aside_and_the_run_goes_on_from_the_one_before(
    run, tmp_path, damage, monkeypatch, finished
):
    monkeypatch.chdir(tmp_path)
    DAMAGED[damage](run.checkpoint("last").folder)
    before = steps(run)[-2]
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    if "flipped" in damage and training.step == 18:
        # The byte meant nothing (padding): all that was written is there.
        assert same_weights(training.plain_module, finished[1].plain_module)
        assert same_state(training.optimizer.state_dict(), finished[1].optimizer.state_dict())
        return
    assert training.step == before
    assert all(bool(weight.isfinite().all()) for weight in training.plain_module.parameters())
    aside = run.folder / "checkpoints" / "step-00000018.damaged"
    assert aside.is_dir()
    assert any("step-00000018.damaged" in remark and "\n" not in remark for remark in monitor.checkpoints.remarks)
    assert train(training, monitor) == "finished"
    assert run.checkpoint("last").step == 18
    assert aside.is_dir()
    assert not (tmp_path / "executed").exists()


def test_after_a_damage_it_ends_with_the_same_bits(run, tmp_path, finished):
    (run.checkpoint("last").folder / "state.pt").write_bytes(b"")
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    train(training, monitor)
    assert same_weights(training.plain_module, finished[1].plain_module)


def test_without_a_whole_one_nothing_is_touched_and_the_run_does_not_begin_again(run, tmp_path):
    for entry in run.checkpoints():
        (entry.folder / "state.pt").write_bytes(b"nothing")
    before = sorted(path.name for path in (run.folder / "checkpoints").iterdir())
    for _ in range(2):
        with pytest.raises(UserError, match=r"step-00000018 cannot be resumed: .* Nor can the \d before it") as error:
            start(tmp_path, tiny_recipe(**EVERY), run)
        assert "\n" not in str(error.value)
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == before


def test_a_checkpoint_without_its_state_stays_and_is_named(run, tmp_path):
    (run.checkpoint("last").folder / "state.pt").unlink()
    before = steps(run)
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    assert training.step == before[-2]
    assert any("step 18 cannot be resumed (it has no state.pt)" in remark for remark in monitor.checkpoints.remarks)
    assert steps(run) == before
    assert train(training, monitor) == "finished"
    # The folder that stood where the new one belongs was set aside.
    assert (run.folder / "checkpoints" / "step-00000018.damaged" / "model.safetensors").is_file()


def test_what_cannot_be_read_now_is_not_taken_for_damaged(run, tmp_path, monkeypatch):
    def refuse(file, **_):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        start(tmp_path, tiny_recipe(**EVERY), run)
    monkeypatch.undo()
    assert start(tmp_path, tiny_recipe(**EVERY), run)[0].step == 18


def test_a_recipe_that_was_changed_does_not_fit_and_harms_nothing(run, tmp_path):
    recipe = tiny_recipe(train={**EVERY["train"], "batch_size": 16})
    with pytest.raises(UserError, match="its steps have 8 pictures, and the recipe's 16"):
        start(tmp_path, recipe, run)
    assert start(tmp_path, tiny_recipe(**EVERY), run)[0].step == 18


def test_a_deleted_run_folder_does_not_come_back(run, tmp_path):
    training, monitor, _ = start(tmp_path, tiny_recipe(**EVERY), run)
    shutil.rmtree(run.folder / "checkpoints")
    monitor.checkpoints.save(training)
    assert steps(run) == [18]
    shutil.rmtree(run.folder)
    with pytest.raises(UserError, match="is gone"):
        monitor.checkpoints.save(training)
    assert not run.folder.exists()


def test_an_evaluation_is_logged_once_though_it_is_done_twice(tmp_path):
    training, monitor, run = start(tmp_path, tiny_recipe(train={"epochs": 1}))
    saved = monitor.save
    monitor.save = lambda *_, **__: None  # killed before the checkpoint
    train(training, monitor)
    monitor.save = saved
    again, monitor, _ = start(tmp_path, tiny_recipe(train={"epochs": 1}), run)
    assert again.step == 0
    train(again, monitor)
    lines = [line for line in run.log.read_text().splitlines() if "validation: " in line]
    assert len(lines) == 1


# environment.json ----------------------------------------------------------------------------------------------------


def environment(folder, threads=3):
    return write_environment(folder, threads=threads, seed=1, device="cpu", data_fingerprint="x")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"threads": "x", "starts": []}', '{"threads": 0, "starts": []}', '{"threads": true}',
     '{"threads": 2, "starts": [7]}', '{"threads": 2, "starts": [{"packages": []}]}', '{"threads": 1e999}', "\0" * 40,
     '{"threads": 2}', '{"threads": 999999999999, "starts": []}'],
)  # fmt: skip
def test_a_damaged_environment_is_set_aside_and_what_is_lost_is_said(tmp_path, text):
    file = tmp_path / "environment.json"
    file.write_text(text)
    assert frozen_threads(tmp_path, 3) == 3
    (remark,) = environment(tmp_path)
    assert "environment.json is damaged" in remark
    assert "\n" not in remark
    assert "may not be bit for bit" in remark
    assert (tmp_path / "environment.json.damaged").read_text() == text
    assert frozen_threads(tmp_path, 1) == 3
    assert environment(tmp_path) == []


def test_an_environment_cut_anywhere_can_be_resumed(tmp_path):
    environment(tmp_path)
    whole = (tmp_path / "environment.json").read_bytes()
    for length in range(0, len(whole), 7):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "environment.json").write_bytes(whole[:length])
        frozen_threads(folder, 2)
        environment(folder)
        assert json.loads((folder / "environment.json").read_text())["starts"]
    (tmp_path / "environment.json").unlink()
    os.mkfifo(tmp_path / "environment.json")
    assert "is damaged" in environment(tmp_path)[0]


def test_steps_are_those_with_weights(run):
    folder = run.folder / "checkpoints"
    (run.checkpoint("last").folder / "model.safetensors").unlink()
    assert 18 not in checkpoint_steps(folder)
    for name in ("step-1", "step-0000000²", "step-00000012.tmp", "step-99999999999999999999"):
        (folder / name).mkdir()
        (folder / name / "model.safetensors").touch()
    assert checkpoint_steps(folder) == [step for step in (4, 6, 8, 12) if step in checkpoint_steps(folder)]
    with pytest.raises(UserError, match="no checkpoint '²'"):
        run.checkpoint("²")
