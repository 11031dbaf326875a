"""Weight files in the shapes in which others publish them: each opens as the same network, or is named truly."""

import re

import pytest
import timm
import torch

from vitbench.errors import UserError
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.network import open_network
from vitbench.models.state_dicts import StateDict

PIXELS = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", num_classes=0).eval()


def opened(tmp_path, value, name="vit_tiny_patch16_224"):
    torch.save(value, tmp_path / "weights.pth")
    return open_network(f"timm:{name}@{tmp_path / 'weights.pth'}")


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def mmpretrain(tensors):
    names = {"norm1": "ln1", "norm2": "ln2", "mlp.fc1": "ffn.layers.0.0", "mlp.fc2": "ffn.layers.1"}
    found = {}
    for name, tensor in tensors.items():
        theirs = re.sub(r"^blocks\.", "layers.", name)
        theirs = re.sub(r"^norm\.", "ln1.", theirs).replace("patch_embed.proj.", "patch_embed.projection.")
        for ours, other in names.items():
            theirs = theirs.replace(f".{ours}.", f".{other}.")
        found[theirs] = tensor
    return {"meta": {"epoch": 300}, "state_dict": under("backbone.", found)}


def shapes(tensors):
    other = {name: torch.randn_like(tensor) for name, tensor in tensors.items()}
    head = torch.zeros(8, 192)
    return {
        "MAE's pretraining": {
            "model": tensors | {"mask_token": torch.zeros(1, 1, 192), "decoder_pos_embed": torch.zeros(1, 197, 64)},
            "epoch": 1,
        },
        "DINO's full checkpoint": {
            "student": under("module.backbone.", other),
            "teacher": under("backbone.", tensors) | {"head.mlp.0.weight": head},
        },
        "MoCo v3": {
            "state_dict": under("module.base_encoder.", tensors) | under("module.momentum_encoder.", other),
        },
        "iBOT": {"state_dict": tensors | {"masked_embed": torch.zeros(1, 192)}},
        "DINOv2's trainer": {"model": under("teacher.backbone.", tensors) | under("student.backbone.", other)},
        "Lightning": {"state_dict": under("net.encoder.", tensors), "hyper_parameters": {"lr": 1}},
        "OpenMMLab": mmpretrain(tensors),
        "a compiled network in DDP": under("module._orig_mod.", tensors),
    }


def test_each_shape_opens_as_the_network_that_was_saved(module, tmp_path):
    with torch.no_grad():
        expected = module(PIXELS)
        published = shapes(module.state_dict())
        assert len(published) > 5
        for name, value in published.items():
            network = opened(tmp_path, value)
            assert torch.allclose(network.module(PIXELS), expected, atol=1e-5), name
            assert network.no_classes, name


def test_openai_s_clip_opens_without_its_text_tower(tmp_path):
    theirs = timm.create_model("vit_base_patch16_clip_quickgelu_224", num_classes=0).eval()
    found = {}
    for name, tensor in theirs.state_dict().items():
        new = name.replace("norm_pre.", "ln_pre.").replace("patch_embed.proj.", "conv1.")
        new = re.sub(r"^norm\.", "ln_post.", new)
        new = re.sub(r"^blocks\.(\d+)\.", r"transformer.resblocks.\1.", new)
        new = new.replace("attn.qkv.weight", "attn.in_proj_weight").replace("attn.qkv.bias", "attn.in_proj_bias")
        new = new.replace("attn.proj.", "attn.out_proj.").replace("mlp.fc1.", "mlp.c_fc.")
        new = new.replace("mlp.fc2.", "mlp.c_proj.").replace("norm1.", "ln_1.").replace("norm2.", "ln_2.")
        if new == "cls_token":
            found["visual.class_embedding"] = tensor.flatten()
        elif new == "pos_embed":
            found["visual.positional_embedding"] = tensor[0]
        else:
            found[f"visual.{new}"] = tensor
    text = {"token_embedding.weight": torch.zeros(10, 8), "logit_scale": torch.tensor(1.0)}
    network = opened(tmp_path, found | text, "vit_base_patch16_clip_quickgelu_224")
    with torch.no_grad():
        assert torch.allclose(network.module(PIXELS), theirs(PIXELS), atol=1e-4)
    assert "OpenAI's CLIP" in network.source
    assert "token_embedding.weight" in network.source


def test_what_is_no_network_is_named(tmp_path):
    adapters = {f"base_model.model.blocks.0.attn.qkv.lora_{side}.weight": torch.zeros(8, 8) for side in "AB"}
    with pytest.raises(UserError, match=r"adapters of a LoRA .* merge them into it"):
        opened(tmp_path, adapters)
    with pytest.raises(UserError, match="holds no weights"):
        opened(tmp_path, {"optimizer": {"state": {0: {"exp_avg": torch.zeros(3, 3)}}}, "epoch": 1})


def test_the_encoder_of_segment_anything_has_timm_s_names_and_its_decoder_is_left_out():
    """Against timm's own conversion of the released files; the sizes are small, the names are SAM's."""
    torch.manual_seed(0)
    small = timm.models.vision_transformer_sam.VisionTransformerSAM(
        img_size=64,
        patch_size=16,
        embed_dim=32,
        depth=2,
        num_heads=2,
        window_size=2,
        global_attn_indexes=(1,),
        use_rel_pos=True,
        num_classes=0,
    )
    theirs = {
        f"image_encoder.{name.replace('mlp.fc', 'mlp.lin')}": tensor for name, tensor in small.state_dict().items()
    }
    theirs |= {
        "prompt_encoder.no_mask_embed.weight": torch.zeros(1, 8),
        "mask_decoder.iou_token.weight": torch.zeros(1, 8),
    }
    expected = timm.models.vision_transformer_sam.checkpoint_filter_fn(dict(theirs), small)
    found = to_timm_names(StateDict(theirs))
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], expected[name]) for name in expected)
    small.load_state_dict(found.tensors)
    assert any("mask_decoder" in note or "prompt_encoder" in note for note in found.notes)
