"""Weight files in the shapes in which others publish them: each opens as the same network, or is named truly."""

import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from vitbench.errors import UserError
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.named import find_network
from vitbench.models.network import open_network
from vitbench.models.state_dicts import StateDict

PIXELS = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))


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
    head = torch.zeros(8, 48)
    return {
        "MAE's pretraining": {
            "model": tensors | {"mask_token": torch.zeros(1, 1, 48), "decoder_pos_embed": torch.zeros(1, 197, 64)},
            "epoch": 1,
        },
        "DINO's full checkpoint": {
            "student": under("module.backbone.", other),
            "teacher": under("backbone.", tensors) | {"head.mlp.0.weight": head},
        },
        "MoCo v3": {
            "state_dict": under("module.base_encoder.", tensors) | under("module.momentum_encoder.", other),
        },
        "iBOT": {"state_dict": tensors | {"masked_embed": torch.zeros(1, 48)}},
        "DINOv2's trainer": {"model": under("teacher.backbone.", tensors) | under("student.backbone.", other)},
        "Lightning": {"state_dict": under("net.encoder.", tensors), "hyper_parameters": {"lr": 1}},
        "OpenMMLab": mmpretrain(tensors),
        "a compiled network in DDP": under("module._orig_mod.", tensors),
        "FSDP with each block wrapped": {
            "_fsdp_wrapped_module." + re.sub(r"^(blocks\.\d+\.)", r"\1_fsdp_wrapped_module._orig_mod.", name): tensor
            for name, tensor in tensors.items()
        },
        "DeepSpeed's model states": {
            "module": tensors,
            "param_shapes": [{name: tensor.shape for name, tensor in tensors.items()}],
            "ds_config": {"train_batch_size": 8, "zero_optimization": {"stage": 1}},
            "ds_version": "0.16.0",
        },
        "I-JEPA": {
            "encoder": under("module.", other),
            "target_encoder": under("module.", tensors),
            "predictor": {"module.predictor_embed.weight": torch.zeros(8, 8)},
            "opt": {"state": {0: {"exp_avg": torch.zeros(3, 3)}}, "param_groups": []},
            "epoch": 300,
        },
        "open_clip around a network of timm": under("visual.trunk.", tensors)
        | {"visual.head.proj.weight": head, "text.token_embedding.weight": head, "logit_scale": torch.tensor(1.0)},
    }


def test_each_shape_opens_as_the_network_that_was_saved(tmp_path):
    own = with_values("vit_tiny_patch16_224", num_classes=0).state_dict()
    published = shapes(own)
    assert len(published) > 5
    for name, value in published.items():
        found = read(tmp_path, "vit_tiny_patch16_224", value).module.state_dict()
        assert found.keys() == own.keys(), name
        assert all(torch.equal(found[key], own[key]) for key in own), name


def test_openai_s_clip_opens_without_its_text_tower(tmp_path):
    theirs = timm.create_model("vit_base_patch16_clip_quickgelu_224", num_classes=0).eval()
    found = openai_names(theirs.state_dict())
    text = {"token_embedding.weight": torch.zeros(10, 8), "logit_scale": torch.tensor(1.0)}
    network = opened(tmp_path, found | text, "vit_base_patch16_clip_quickgelu_224")
    with torch.no_grad():
        assert torch.allclose(network.module(PIXELS), theirs(PIXELS), atol=1e-4)
    assert "OpenAI's CLIP" in network.source
    assert "token_embedding.weight" in network.source


def openai_names(tensors):
    found = {}
    for name, tensor in tensors.items():
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
    return found


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


SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 3}


def read(tmp_path, name, value, options=SMALL):
    """A small network of timm with the weights in a file, and what was said."""
    torch.save(value, tmp_path / "weights.pth")
    return find_network(f"timm:{name}").from_file(tmp_path / "weights.pth", None, options)


def with_values(name, **options):
    torch.manual_seed(0)
    network = timm.create_model(name, **{**SMALL, **options}).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@torch.no_grad()
def test_meta_s_own_dinov3_opens_with_its_biases(tmp_path):
    theirs = with_values("vit_small_patch16_dinov3_qkvb")
    found = {"rope_embed.periods": torch.zeros(4), "mask_token": torch.zeros(1, 48)}
    for name, tensor in theirs.state_dict().items():
        if name.endswith("q_bias"):
            value = theirs.state_dict()[name.replace("q_bias", "v_bias")]
            found[name.replace("q_bias", "qkv.bias")] = torch.cat([tensor, torch.zeros(48), value])
            found[name.replace("q_bias", "qkv.bias_mask")] = torch.ones(144)
        elif not name.endswith("v_bias"):
            theirs_name = re.sub(r"gamma_(\d)", r"ls\1.gamma", name).replace("reg_token", "storage_tokens")
            found[theirs_name] = tensor
    module = read(tmp_path, "vit_small_patch16_dinov3_qkvb", found).module
    pixels = torch.randn(1, 3, 256, 256)
    assert torch.allclose(module(pixels), theirs(pixels), atol=1e-5)


@torch.no_grad()
def test_eva_02_of_its_authors_opens(tmp_path):
    options = {"mlp_ratio": 4 * 2 / 3, "qkv_fused": False}
    theirs = with_values("eva02_base_patch14_224", scale_mlp=True, num_classes=0, **options)
    names = {"fc1_g": "w1", "fc1_x": "w2", "fc2": "w3", "norm": "ffn_ln"}
    found = {"rope.freqs_cos": torch.zeros(256, 16), "rope.freqs_sin": torch.zeros(256, 16)}
    for name, tensor in theirs.state_dict().items():
        found[re.sub(r"\.mlp\.(\w+)\.", lambda match: f".mlp.{names[match[1]]}.", name)] = tensor
    read_back = read(tmp_path, "eva02_base_patch14_224", {"module": found}, SMALL | options | {"scale_mlp": True})
    pixels = torch.randn(1, 3, 224, 224)
    assert torch.allclose(read_back.module(pixels), theirs(pixels), atol=1e-5)


@torch.no_grad()
def test_dinov2_s_linear_classifier_reads_the_mean_of_the_patches_too(tmp_path):
    backbone = with_values("vit_small_patch14_dinov2", img_size=518)
    head = torch.nn.Linear(96, 5)
    whole = under("backbone.", backbone.state_dict()) | under("linear_head.", head.state_dict())
    found = read(tmp_path, "vit_small_patch14_dinov2", whole)
    pixels = torch.randn(2, 3, 518, 518)
    tokens = backbone.forward_features(pixels)
    expected = head(torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1))
    assert torch.allclose(found.module(pixels), expected, atol=1e-5)
    assert found.options["global_pool"] == "token+avg"
    with pytest.raises(UserError, match="reads the class token of four layers"):
        read(tmp_path, "vit_small_patch14_dinov2", whole | under("linear_head.", {"weight": torch.zeros(5, 240)}))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_weights_of_lower_precision_are_said(kind, tmp_path):
    rounded = {name: tensor.to(kind) for name, tensor in with_values("vit_tiny_patch16_224").state_dict().items()}
    save_file(rounded, tmp_path / "weights.safetensors")
    found = find_network("timm:vit_tiny_patch16_224").from_file(tmp_path / "weights.safetensors", None, SMALL)
    assert all(torch.equal(tensor, rounded[name].float()) for name, tensor in found.module.state_dict().items())
    assert f"stored as {str(kind).removeprefix('torch.')}" in " ".join(found.notes)


def test_what_only_looks_like_weights_is_named(tmp_path):
    name, own = "vit_tiny_patch16_224", with_values("vit_tiny_patch16_224").state_dict()
    video = {"encoder": {"module.backbone.patch_embed.proj.weight": torch.zeros(48, 3, 2, 16, 16)}}
    for value, words in (
        (video, "network of videos: .* span 2 pictures"),
        ({key: torch.zeros_like(tensor, dtype=torch.int8) for key, tensor in own.items()}, "quantised weights"),
        (own | {"blocks.0.attn.qkv.SCB": torch.zeros(144)}, "quantised weights .*SCB"),
        ({"module": {key: torch.empty(0) for key in own}}, "none of their numbers.*zero_to_fp32"),
    ):
        with pytest.raises(UserError, match=words):
            read(tmp_path, name, value)


def folder_of(tmp_path, files, config=None):
    for file in tmp_path.iterdir():
        file.unlink()
    if config:
        (tmp_path / "config.json").write_text(json.dumps(config))
    for name, tensors in files.items():
        if tensors is None:
            (tmp_path / name).touch()
        elif name.endswith(".safetensors"):
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / name)
        else:
            torch.save(tensors, tmp_path / name)
    return str(tmp_path)


def test_folders_keep_their_weights_under_many_names(tmp_path):
    own = with_values("vit_tiny_patch16_224", num_classes=5).state_dict()
    names = sorted(own)
    halves = [{name: own[name] for name in part} for part in (names[:20], names[20:])]
    shards = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    config = {
        "architecture": "vit_tiny_patch16_224",
        "model_args": SMALL,
        "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    index = {"weight_map": {name: shards[place] for place, half in enumerate(halves) for name in half}}
    both = dict(zip(shards, halves, strict=True))
    expected = None
    for files in (
        {"model.safetensors": own},
        {"model.fp16.safetensors": own, "optimizer.pt": {}, "training_args.bin": {}},
        both,
        {**both, "index": index},
    ):
        folder = folder_of(tmp_path, {name: value for name, value in files.items() if name != "index"}, config)
        if "index" in files:
            (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(files["index"]))
        network = open_network(folder)
        expected = expected or network.weights_hash
        assert network.weights_hash == expected
    for files, words in (
        ({shards[1]: halves[1]}, "lacks pieces of the weights: pytorch_model-00001-of-00002.bin"),
        ({"a.pth": own, "b.pth": own}, "several files with weights: a.pth, b.pth"),
        ({"tf_model.h5": None}, "weights of TensorFlow only"),
        ({"adapter_config.json": None, "adapter_model.safetensors": halves[0]}, "adapters of a LoRA"),
    ):
        with pytest.raises(UserError, match=words):
            open_network(folder_of(tmp_path, files, config))
    for sign, words in ((".metadata", "dcp_to_torch"), ("zero_to_fp32.py", "DeepSpeed")):
        with pytest.raises(UserError, match=words):
            open_network(folder_of(tmp_path, {sign: None}))


@torch.no_grad()
def test_a_folder_of_open_clip_opens_as_its_picture_tower(tmp_path):
    theirs = with_values("vit_base_patch16_clip_224", act_layer="quick_gelu", num_classes=0)
    head = {"visual.proj": torch.zeros(48, 8), "token_embedding.weight": torch.zeros(10, 8)}
    folder = folder_of(tmp_path, {"open_clip_model.safetensors": openai_names(theirs.state_dict()) | head})
    vision = {"image_size": 224, "layers": 2, "width": 48, "head_width": 16, "patch_size": 16}
    said = {
        "model_cfg": {"embed_dim": 8, "quick_gelu": True, "vision_cfg": vision, "text_cfg": {}},
        "preprocess_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    network = open_network(folder)
    assert torch.allclose(network.module(PIXELS), theirs(PIXELS), atol=1e-4)
    assert network.no_classes
    assert (network.preprocessing.mean, network.preprocessing.resize) == ((0.1, 0.2, 0.3), "squash")
    vision["attentional_pool"] = True
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match="attentional_pool asks for a picture tower"):
        open_network(folder)
