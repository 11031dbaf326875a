"""Weights as scripts leave them: counters, masks and heads beside the network's own; and files that are no weights."""

import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from tests.models.test_published_weights import PIXELS, SMALL, read, under, with_values
from vitbench.errors import UserError
from vitbench.models.named import find_network
from vitbench.models.network import open_network
from vitbench.models.reparametrised import made_whole
from vitbench.models.state_dicts import StateDict

TINY = "vit_tiny_patch16_224"


def outputs(module):
    with torch.no_grad():
        return module(PIXELS)


def test_weights_in_two_parts_are_joined_as_torch_does():
    """Against torch's own modules, before and after."""
    torch.manual_seed(0)
    inputs = torch.randn(2, 6)
    for change, said in (
        (lambda layer: prune.l1_unstructured(layer, "weight", amount=0.4), "pruned"),
        (lambda layer: nn.utils.weight_norm(layer), "weight_norm"),
        (lambda layer: nn.utils.weight_norm(layer, dim=None), "weight_norm"),
        (lambda layer: parametrizations.weight_norm(layer), "parametrizations"),
    ):
        layer = nn.Linear(6, 4)
        change(layer)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(1.5)
        found = made_whole(StateDict(dict(layer.state_dict())), "w.pth")
        plain = nn.Linear(6, 4)
        plain.load_state_dict(found.tensors)
        assert torch.allclose(plain(inputs), layer(inputs), atol=1e-6)
        assert said in found.notes[0]
    other = parametrizations.orthogonal(nn.Linear(6, 4))
    with pytest.raises(UserError, match=r"parametrised weights .*remove_parametrizations"):
        made_whole(StateDict(dict(other.state_dict())), "w.pth")


def test_what_trainers_count_is_left_out_by_name(tmp_path):
    theirs = with_values(TINY, num_classes=5)
    own = theirs.state_dict()
    counted = {f"{name}{what}": torch.ones(1) for name in ("", "blocks.0.") for what in ("total_ops", "total_params")}
    for value, said in (
        ({"n_averaged": torch.tensor([4]), **under("module.", own)}, "n_averaged"),
        (own | counted, "total_ops"),
        (
            {"state_dict": under("backbone.", own) | {"data_preprocessor.mean": torch.ones(3, 1, 1)}},
            "data_preprocessor",
        ),
        (list(own.items()), ""),
    ):
        found = read(tmp_path, TINY, value)
        assert torch.allclose(outputs(found.module), outputs(theirs), atol=1e-5)
        assert said in " ".join(found.notes)


@pytest.mark.parametrize("head", ["fc", "classifier", "head.1", "cls_head", "model.fc"])
@pytest.mark.parametrize("prefix", ["backbone.", ""])
def test_a_linear_layer_behind_a_network_is_its_head(head, prefix, tmp_path):
    backbone, linear = with_values(TINY, num_classes=0), nn.Linear(48, 5)
    saved = under(prefix, backbone.state_dict()) | under(f"{head}.", linear.state_dict())
    found = read(tmp_path, TINY, saved)
    assert torch.allclose(outputs(found.module), linear(outputs(backbone)), atol=1e-5)
    assert f"{head}.weight is read as the head" in " ".join(found.notes)


def test_what_may_be_no_head_is_left_out_or_refused(tmp_path):
    own = with_values(TINY, num_classes=0).state_dict()
    deep = {"fc.0.weight": torch.ones(16, 48), "fc.0.bias": torch.ones(16), "fc.2.weight": torch.ones(5, 16)}
    found = read(tmp_path, TINY, under("vit.", own) | deep)
    assert found.module.num_classes == 0
    assert "left out: fc.0.weight" in " ".join(found.notes)
    with pytest.raises(UserError, match=r"no place for head1.weight"):
        read(tmp_path, TINY, own | {"head1.weight": torch.ones(5, 48), "head2.weight": torch.ones(5, 48)})


def test_patches_and_channels_of_another_network_are_refused(tmp_path):
    for options, said in (
        ({"patch_size": 32}, "patches of 32x32 pixels, and timm:vit_tiny_patch16_224 has patches of 16x16"),
        ({"in_chans": 1}, "pictures of 1 channel, and .* takes 3: set model.in_chans = 1"),
        ({"in_chans": 6}, "pictures of 6 channels"),
    ):
        with pytest.raises(UserError, match=said):
            read(tmp_path, TINY, with_values(TINY, **options).state_dict())
    found = read(tmp_path, TINY, with_values(TINY, patch_size=32).state_dict(), SMALL | {"patch_size": 32})
    assert found.module.patch_embed.patch_size == (32, 32)


def test_adapters_beside_the_network_that_they_change(tmp_path):
    own = with_values(TINY).state_dict()
    for adapters in (("attn.qkv.lora_A", "attn.qkv.lora_B"), ("attn.qkv.lora_A.default.weight",)):
        with pytest.raises(UserError, match=r"adapters of a LoRA beside them .* merge them"):
            read(tmp_path, TINY, own | {f"blocks.0.{name}": torch.ones(4, 4) for name in adapters})


def test_arrays_of_numpy_under_torch_s_names(tmp_path):
    theirs = with_values(TINY, num_classes=5)
    np.savez(tmp_path / "w.npz", **{name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    found = find_network(f"timm:{TINY}").from_file(tmp_path / "w.npz", None, SMALL)
    assert torch.allclose(outputs(found.module), outputs(theirs), atol=1e-5)


def archive(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, data in files.items():
            packed.writestr(name.replace("__", "/"), data)
    return content.getvalue()


def tar():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("run/w.pth"))
    return content.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:\x90" + bytes(500)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.onnx", ONNX, "is an ONNX graph"),
        ("m.pth", ONNX, "is an ONNX graph"),
        ("m.keras", archive(**{"config.json": "{}", "model.weights.h5": "x"}), "is a network of Keras"),
        ("m.bin", b"\x1c\0\0\0TFL3" + bytes(500), "is a network of TensorFlow Lite"),
        ("m.msgpack", b"\x82\xa6params\x81" + bytes(400), "is weights of Flax"),
        ("m.pdparams", pickle.dumps({"a": 1}), "is weights of PaddlePaddle"),
        ("m.pt2", archive(m__archive_format="pt2", m__models="{}"), "is a program of torch.export"),
        ("m.engine", b"ftrt" + bytes(400), "is an engine of TensorRT"),
        ("m.zip", archive(**{"w.pth": "x", "readme.txt": ""}), "is a zip archive with w.pth in it; unpack it first"),
        ("m.tar", tar(), "is a tar archive with run/w.pth in it; unpack it first"),
        ("config.json", b'{"architecture": 1}', "is a JSON document, not weights"),
        ("m.pth", b"\x82\xa6params\x81" + bytes(400), "is no file that torch.save wrote"),
    ],
)
def test_files_that_are_no_weights_of_pytorch_are_named(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        find_network(f"timm:{TINY}").from_file(tmp_path / name, None, {})


def test_a_list_of_tensors_is_not_said_to_hold_none(tmp_path):
    with pytest.raises(UserError, match="a list of 3 entries, 3 of them tensors without names"):
        read(tmp_path, TINY, [torch.ones(2)] * 3)


def test_a_folder_of_accelerate_and_one_of_the_hub_s_cache(tmp_path):
    own = {name: tensor.contiguous() for name, tensor in with_values(TINY, num_classes=5).state_dict().items()}
    names = sorted(own)
    run = tmp_path / "checkpoint_0"
    run.mkdir()
    for number, part in enumerate((names[:9], names[9:]), start=1):
        save_file({name: own[name] for name in part}, run / f"model-0000{number}-of-00002.safetensors")
    torch.save({}, run / "optimizer.bin")
    with pytest.raises(UserError, match=r"holds weights, but network.json is missing.* timm:vit_small_patch16_224@"):
        open_network(str(run))
    found = find_network(f"timm:{TINY}").from_file(run, None, SMALL)
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.module.state_dict().items())

    cache = tmp_path / "models--timm--tiny"
    snapshot = cache / "snapshots" / "0a1b"
    (cache / "refs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    save_file(own, snapshot / "model.safetensors")
    (snapshot / "config.json").write_text(
        f'{{"architecture": "{TINY}", "model_args": {{"embed_dim": 48, "depth": 2, "num_heads": 3}}, "num_classes": 5,'
        ' "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}'
    )
    (cache / "refs/main").write_text("0a1b")
    assert open_network(str(cache)).num_classes == 5
    (cache / "refs/main").write_text("../../..")
    assert open_network(str(cache)).num_classes == 5
    (cache / "snapshots/2c3d").mkdir()
    with pytest.raises(UserError, match=r"holds 2 networks .0a1b, 2c3d.; name one"):
        open_network(str(cache))
