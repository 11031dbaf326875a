"""Weights as trainers and quantisers leave them: what they hold decides how the network is made, and it is said."""

import json
import re
from math import ceil

import pytest
import torch
from safetensors.torch import save_file

from tests.models.test_published_weights import SMALL, folder_of, read, under, with_values
from vitbench.errors import UserError
from vitbench.models.named import find_network
from vitbench.models.network import open_network

TINY = "vit_tiny_patch16_224"


@torch.no_grad()
def test_biases_under_a_name_without_biases_are_used_and_said(tmp_path):
    theirs = with_values("vit_small_patch16_dinov3_qkvb")
    pixels = torch.randn(1, 3, 256, 256)
    found = read(tmp_path, "vit_small_patch16_dinov3", theirs.state_dict())
    assert torch.allclose(found.module(pixels), theirs(pixels), atol=1e-5)
    assert found.options["qkv_bias"] is True
    assert "biases, which vit_small_patch16_dinov3 has not; they are used" in " ".join(found.notes)
    # Weights without biases stay a network without them.
    found = read(tmp_path, "vit_small_patch16_dinov3", with_values("vit_small_patch16_dinov3").state_dict())
    assert "qkv_bias" not in found.options
    assert not found.notes


@torch.no_grad()
def test_a_head_fine_tuned_from_mae_reads_the_mean_of_the_patches(tmp_path):
    theirs = with_values(TINY, num_classes=5, global_pool="avg")
    assert "fc_norm.weight" in theirs.state_dict()
    found = read(tmp_path, TINY, {"model": theirs.state_dict()})
    pixels = torch.randn(1, 3, 224, 224)
    assert torch.allclose(found.module(pixels), theirs(pixels), atol=1e-5)
    assert "mean of the patches" in " ".join(found.notes)


def test_blocks_in_chunks_of_dinov2_s_trainer(tmp_path):
    own = with_values("vit_small_patch14_dinov2", img_size=518).state_dict()
    chunks = {re.sub(r"^blocks\.(\d+)\.", r"blocks.\1.\1.", name): tensor for name, tensor in own.items()}
    head = {"dino_head.mlp.0.weight": torch.ones(3, 3)}
    found = read(tmp_path, "vit_small_patch14_dinov2", {"teacher": under("backbone.", chunks) | head})
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.module.state_dict().items())


def test_jeonsworld_s_names(tmp_path):
    own = with_values(TINY, num_classes=5).state_dict()
    names = {"norm1": "attention_norm", "norm2": "ffn_norm", "attn.proj": "attn.out", "mlp.": "ffn."}
    outer = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings"}
    theirs = {}
    for name, tensor in own.items():
        for ours, other in names.items():
            name = name.replace(f".{ours}", f".{other}")
        name = re.sub(r"^blocks\.", "encoder.layer.", re.sub(r"^norm\.", "encoder.encoder_norm.", name))
        name = outer.get(name, name.replace("patch_embed.proj", "embeddings.patch_embeddings"))
        name = name if name.startswith("head") else f"transformer.{name}"
        if "attn.qkv" in name:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            theirs |= {name.replace("qkv", part): value for part, value in parts}
        else:
            theirs[name] = tensor
    found = read(tmp_path, TINY, theirs)
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.module.state_dict().items())
    assert "jeonsworld" in " ".join(found.notes)


def quantised(tensors, kind):
    """Each matrix of the blocks as float8 with its scales, and what it stands for in plain numbers."""
    stored, plain = {}, {}
    for name, tensor in tensors.items():
        stored[name], plain[name] = tensor, tensor
        if not re.fullmatch(r"blocks.*\.weight", name) or tensor.dim() != 2:
            continue
        rows, columns = tensor.shape
        if kind == "block":
            scale = torch.rand(ceil(rows / 128), ceil(columns / 128)) + 0.5
            spread = torch.empty_like(tensor)
            for row in range(rows):
                for column in range(columns):
                    spread[row, column] = scale[row // 128, column // 128]
        else:
            scale = spread = torch.rand(1) + 0.5 if kind == "one" else torch.rand(rows, 1) + 0.5
        stored[name] = (tensor / spread).to(torch.float8_e4m3fn)
        stored[name + ("_scale_inv" if kind == "block" else "_scale")] = scale
        stored[name.replace("weight", "input_scale")] = torch.ones(1)
        plain[name] = stored[name].float() * spread
    return stored, plain


@pytest.mark.parametrize("kind", ["one", "row", "block"])
def test_float8_is_multiplied_by_its_scales(kind, tmp_path):
    stored, plain = quantised(with_values(TINY).state_dict(), kind)
    save_file(stored, tmp_path / "weights.safetensors")
    found = find_network(f"timm:{TINY}").from_file(tmp_path / "weights.safetensors", None, SMALL)
    assert all(torch.allclose(tensor, plain[name]) for name, tensor in found.module.state_dict().items())
    assert "8 matrices are stored as float8 and were multiplied by their scales" in " ".join(found.notes)


def test_scales_of_another_shape_are_refused_by_name(tmp_path):
    stored, _ = quantised(with_values(TINY).state_dict(), "one")
    stored["blocks.0.attn.qkv.weight_scale"] = torch.ones(7, 3)
    save_file(stored, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match=r"qkv\.weight \(144x48\) is float8 with a scale .* of 7x3"):
        find_network(f"timm:{TINY}").from_file(tmp_path / "weights.safetensors", None, SMALL)


def test_arrays_of_numpy_and_numbers_that_are_not_finite(tmp_path):
    own = with_values(TINY, num_classes=5).state_dict()
    found = read(tmp_path, TINY, {"params": {name: tensor.numpy() for name, tensor in own.items()}, "epoch": 3})
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.module.state_dict().items())
    found = read(tmp_path, TINY, own | {"head.bias": torch.full((5,), float("nan"))})
    assert "1 of its weights hold numbers that are not finite: head.bias" in " ".join(found.notes)


def test_networks_that_timm_does_not_have_are_named(tmp_path):
    for tensors, words in (
        ({"to_patch_embedding.1.weight": torch.ones(4)}, "vit-pytorch's ViT"),
        ({"radio_model.model.patch_generator.embedder.weight": torch.ones(4, 4)}, "RADIO"),
        ({"vit.patch_embedding.patch_embeddings.weight": torch.ones(8, 1, 4, 4, 4)}, "volumes, such as CT.*cubes of 4"),
        ({"blocks.0.mlp.linear1.weight": torch.ones(4, 4)}, "MONAI's ViT"),
    ):
        with pytest.raises(UserError, match=words):
            read(tmp_path, TINY, tensors)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"model_type": "vjepa2", "crop_size": 256, "frames_per_clip": 64, "tubelet_size": 2},
            "'vjepa2', a network of videos",
        ),
        ({"model_type": "videomae", "image_size": 224, "num_frames": 16}, "network of videos .num_frames = 16"),
        ({"model_type": "swin", "image_size": 224}, "'swin'; of transformers these are opened: beit"),
        ({"model_type": "vision-encoder-decoder"}, "a captioner: `vitbench caption"),
        ({"model_type": "siglip2", "vision_config": {"num_patches": 256}}, "pictures of any shape"),
    ],
)
def test_folders_of_other_networks_of_transformers_are_named(config, words, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=words):
        open_network(folder_of(tmp_path, {"model.safetensors": {"a.weight": torch.ones(2)}}, config))
