"""Files of JAX (`.npz`): each opens with its own head, or none, equal to what was written; else it is named."""

import numpy as np
import pytest
import timm
import torch

from vitbench.errors import UserError
from vitbench.models.network import open_network

NAME = "vit_tiny_patch16_224"
PIXELS = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))


def made(name=NAME, **options):
    module = timm.create_model(name, **options)
    generator = torch.Generator().manual_seed(0)
    for weights in module.parameters():
        weights.data = torch.randn(weights.shape, generator=generator) * 0.05
    return module.eval()


def as_jax(module, prefix="", big_vision=False, num_heads=3):
    """The names and shapes of vision_transformer's files, or of big_vision's."""
    state = {name: value.detach().numpy() for name, value in module.state_dict().items()}
    width = module.embed_dim
    each = (num_heads, width // num_heads)
    positions = "pos_embedding" if big_vision else "Transformer/posembed_input/pos_embedding"
    found = {
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        positions: state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
    }
    numbers = ("1", "0") if big_vision else ("2", "3")
    attention = f"MultiHeadDotProductAttention_{0 if big_vision else 1}"
    for block in range(len(module.blocks)):
        there, here = f"Transformer/encoderblock_{block}", f"blocks.{block}"
        for norm, number in (("norm1", "0"), ("norm2", numbers[0])):
            found[f"{there}/LayerNorm_{number}/scale"] = state[f"{here}.{norm}.weight"]
            found[f"{there}/LayerNorm_{number}/bias"] = state[f"{here}.{norm}.bias"]
        stacked, bias = state[f"{here}.attn.qkv.weight"], state[f"{here}.attn.qkv.bias"]
        for place, part in enumerate(("query", "key", "value")):
            rows = slice(place * width, (place + 1) * width)
            found[f"{there}/{attention}/{part}/kernel"] = stacked[rows].T.reshape(width, *each)
            found[f"{there}/{attention}/{part}/bias"] = bias[rows].reshape(each)
        found[f"{there}/{attention}/out/kernel"] = state[f"{here}.attn.proj.weight"].T.reshape(*each, width)
        found[f"{there}/{attention}/out/bias"] = state[f"{here}.attn.proj.bias"]
        for place in (0, 1):
            dense = f"{there}/MlpBlock_{numbers[1]}/Dense_{place}"
            found[f"{dense}/kernel"] = state[f"{here}.mlp.fc{place + 1}.weight"].T
            found[f"{dense}/bias"] = state[f"{here}.mlp.fc{place + 1}.bias"]
    if "head.weight" in state:
        found |= {"head/kernel": state["head.weight"].T, "head/bias": state["head.bias"]}
    return {prefix + name: np.ascontiguousarray(value) for name, value in found.items()}


def opened(tmp_path, arrays, name=NAME):
    np.savez(tmp_path / "weights.npz", **arrays)
    return open_network(f"timm:{name}@{tmp_path / 'weights.npz'}")


@pytest.mark.parametrize(
    ("classes", "prefix", "big_vision"),
    [(5, "", False), (0, "", False), (1000, "opt/target/", False), (7, "params/", True), (0, "params/", True)],
)
def test_a_file_brings_its_own_head_or_none(tmp_path, classes, prefix, big_vision):
    module = made(num_classes=classes)
    network = opened(tmp_path, as_jax(module, prefix, big_vision))
    assert network.num_classes == classes
    with torch.no_grad():
        torch.testing.assert_close(network.module.eval()(PIXELS), module(PIXELS))


def test_a_head_behind_a_layer_that_timm_lacks_is_left_out_and_said(tmp_path):
    arrays = as_jax(made(num_classes=9)) | {"pre_logits/kernel": np.eye(192), "pre_logits/bias": np.zeros(192)}
    network = opened(tmp_path, arrays)
    assert network.num_classes == 0
    assert "head of 9 classes reads a layer that timm has not (pre_logits)" in network.source


def test_blocks_patches_and_other_arrays_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(UserError, match="14 blocks, and timm:vit_tiny_patch16_224 has 12"):
        opened(tmp_path, as_jax(made(depth=14)))
    with pytest.raises(UserError, match="patches of 32x32 pixels, and timm:vit_tiny_patch16_224 has patches of 16x16"):
        opened(tmp_path, as_jax(made(patch_size=32)))
    with pytest.raises(UserError, match="does not fit"):
        opened(tmp_path, {"params/txt/Embed_0/embedding": np.zeros((4, 4))})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "weights.npz").read_bytes()[:300])
    with pytest.raises(UserError, match="cut"):
        open_network(f"timm:{NAME}@{tmp_path / 'cut.npz'}")


def test_patches_of_flexivit_are_resampled_and_it_is_said(tmp_path):
    module = made("flexivit_small", patch_size=32, img_size=224, depth=12)
    network = opened(tmp_path, as_jax(module, "params/", big_vision=True, num_heads=6), "flexivit_small")
    assert "Its patches of 32x32 pixels are resampled to 16x16." in network.source
    assert network.num_classes == 1000
