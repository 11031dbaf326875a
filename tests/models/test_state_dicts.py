"""Weights as training scripts leave them: found wherever they lie, with what was chosen and left out said."""

import argparse
import collections
import datetime
import pathlib
import types

import numpy as np
import pytest
import timm
import torch

from vitbench.errors import UserError
from vitbench.models.network import open_network
from vitbench.models.state_dicts import find_state_dict
from vitbench.models.weight_files import read_state_dict

NAME = "vit_tiny_patch16_224"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model(NAME, num_classes=5).state_dict()


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def opened(saved, tmp_path, name="saved.pth"):
    torch.save(saved, tmp_path / name)
    return open_network(f"timm:{NAME}@{tmp_path / name}")


HEAD = {"head.mlp.0.weight": torch.ones(4, 4), "head.last_layer.weight_v": torch.ones(4, 4)}
OPTIMIZER = {"state": {0: {"exp_avg": torch.zeros(2000, 2000)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("nest", "said"),
    [
        (lambda s: {"model_state_dict": under("module.", s), "optimizer_state_dict": {}, "epoch": 1}, ""),
        (lambda s: {"net": s, "acc": 91.2, "epoch": 4}, ""),
        (lambda s: {"network": s, "optimizer": OPTIMIZER}, ""),
        (lambda s: {"weights": s}, ""),
        (lambda s: {"params": {"encoder": s}}, ""),
        (lambda s: {"checkpoint": {"model": {"module": s}}}, ""),
        (lambda s: [s, {"lr": 0.1}], ""),
        (lambda s: {"state_dict": under("model.", s), "hyper_parameters": {"lr": 0.1}}, ""),
        (lambda s: {"state_dict": under("model.", s) | {"criterion.weight": torch.ones(5)}}, "criterion.weight"),
        (lambda s: under("backbone.", s) | under("", HEAD), "head.mlp.0.weight"),
        (lambda s: {"model": under("encoder.backbone.", s)}, ""),
        (lambda s: {"model": s, "ema": under("module.", {k: v + 1 for k, v in s.items()})}, "'ema'"),
        (lambda s: under("module._orig_mod.model.", s), ""),
        (
            lambda s: s | {"decoder_blocks.0.norm1.weight": torch.ones(8), "decoder_embed.weight": torch.ones(8, 8)},
            "decoder",
        ),
    ],
    ids=map(str, range(14)),
)
def test_weights_are_found_wherever_they_lie(nest, said, state, tmp_path):
    network = opened(nest(state), tmp_path)
    expected = {k: v + 1 for k, v in state.items()} if said == "'ema'" else state
    arrived = network.module.state_dict()
    assert arrived.keys() == state.keys()
    assert all(torch.equal(arrived[name], expected[name]) for name in arrived)
    assert said in network.source


def test_a_teacher_comes_before_its_student_and_both_are_named(state, tmp_path):
    saved = {
        "student": under("module.backbone.", {k: v + 1 for k, v in state.items()}),
        "teacher": under("backbone.", state) | HEAD,
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
    }
    network = opened(saved, tmp_path)
    assert torch.equal(network.module.state_dict()["cls_token"], state["cls_token"])
    assert "'teacher'" in network.source
    assert "'student'" in network.source


def test_a_small_average_does_not_stand_for_the_network():
    saved = {"ema": {"decay": torch.ones(1)}, "model": {"weight": torch.ones(9, 9)}}
    found = find_state_dict(saved)
    assert found is not None
    assert set(found.tensors) == {"weight"}


def test_what_scripts_keep_beside_the_weights_is_read_as_values(state, tmp_path):
    saved = {
        "state_dict": state,
        "best": np.float64(0.9),
        "curve": np.arange(3.0),
        "seen": np.int64(3),
        "done": np.bool_(True),
        "folder": pathlib.PosixPath("/data/pets"),
        "date": datetime.datetime(2026, 11, 26),
        "args": argparse.Namespace(lr=1e-3),
        "config": types.SimpleNamespace(size=224),
        "history": collections.defaultdict(list, loss=[1.0, 0.5]),
    }
    network = opened(saved, tmp_path)
    assert torch.equal(network.module.state_dict()["pos_embed"], state["pos_embed"])


def test_a_refusal_names_what_the_file_holds(tmp_path):
    torch.save({"epoch": 3, "log": ["a"]}, tmp_path / "log.pth")
    with pytest.raises(UserError, match=r"a dictionary with 'epoch', 'log', and no tensor"):
        read_state_dict(tmp_path / "log.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(UserError, match=r"would run code .*torch.nn.modules.linear.Linear.*state_dict\(\)"):
        read_state_dict(tmp_path / "whole.pth")
    cyclic: dict = {"a": 1}
    cyclic["state_dict"] = cyclic
    torch.save(cyclic, tmp_path / "cyclic.pth")
    with pytest.raises(UserError, match="holds no weights"):
        read_state_dict(tmp_path / "cyclic.pth")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>Sign in</html>", "web page"),
        (b"\n<html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5"),
        (b"\x1f\x8b\x08\x00" + b"\0" * 99, "gzip"),
        (b"", "empty"),
    ],
)
def test_what_is_taken_for_weights_is_named(content, said, tmp_path):
    for name in ("a.pth", "a.safetensors", "a.ckpt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=said):
            read_state_dict(tmp_path / name)


def test_a_file_is_read_by_what_it_is_and_not_by_its_name(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(2, 2)}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth").tensors["weight"].sum() == 4


def test_a_torchscript_program_is_named(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(UserError, match="TorchScript"):
        read_state_dict(tmp_path / "script.pt")


def test_names_that_fit_nothing_are_still_refused_by_name(state, tmp_path):
    with pytest.raises(UserError, match=r"extra\.weight"):
        opened(state | {"extra.weight": torch.ones(2, 2)}, tmp_path)
