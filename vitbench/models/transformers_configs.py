"""Configurations of transformers (`config.json`), as the names and arguments of timm's networks."""

from collections.abc import Callable, Mapping
from typing import Any

from vitbench.errors import UserError
from vitbench.models.state_dicts import StateDict
from vitbench.text import clean

_ACTIVATIONS = {
    "gelu": None,
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' names of activations as timm's; None is what timm takes anyway."""


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that every kind has."""
    options: dict[str, Any] = {
        "patch_size": _patch(config["patch_size"]),
        "embed_dim": int(config["hidden_size"]),
        "depth": int(config["num_hidden_layers"]),
        "num_heads": int(config["num_attention_heads"]),
    }
    if "intermediate_size" in config:
        options["mlp_ratio"] = _ratio(int(config["intermediate_size"]), options["embed_dim"])
    elif "mlp_ratio" in config:
        options["mlp_ratio"] = float(config["mlp_ratio"])
    return options


def _activation(config: Mapping[str, Any], own: str = "gelu") -> dict[str, Any]:
    name = str(config.get("hidden_act", own))
    if name not in _ACTIVATIONS:
        raise UserError(f"The activation hidden_act = {clean(name)!r} is not known here.")
    return {"act_layer": _ACTIVATIONS[name]} if _ACTIVATIONS[name] else {}


def _vit(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _activation(config) | _bias(config)
    if "dist_token" in state.tensors:
        return "deit_base_distilled_patch16_224", options
    if "reg_token" in state.tensors:
        options["reg_tokens"] = int(state.tensors["reg_token"].shape[1])
    return "vit_base_patch16_224", options


def _ijepa(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    architecture, options = _vit(config, state)
    # It has no class token: its classifier reads the mean of the patches after the last norm.
    return architecture, options | {"class_token": False, "global_pool": "avg", "fc_norm": False}


def _dinov2(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _bias(config)
    registers = "reg_token" in state.tensors
    if registers:
        options["reg_tokens"] = int(state.tensors["reg_token"].shape[1])
        # transformers adds a position to the class token before it inserts the registers; timm has none there.
        positions = state.tensors["pos_embed"]
        state.tensors["cls_token"] = state.tensors["cls_token"] + positions[:, :1]
        state.tensors["pos_embed"] = positions[:, 1:].contiguous()
    if config.get("use_swiglu_ffn"):
        options["mlp_ratio"] = _ratio(int(state.tensors["blocks.0.mlp.fc1.weight"].shape[0]), options["embed_dim"])
        return ("vit_giant_patch14_reg4_dinov2" if registers else "vit_giant_patch14_dinov2"), options
    options |= _activation(config)
    return ("vit_small_patch14_reg4_dinov2" if registers else "vit_small_patch14_dinov2"), options


def _dinov3(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | {
        "num_reg_tokens": int(config.get("num_register_tokens", 0)),
        "rope_temperature": float(config.get("rope_theta", 100.0)),
        "global_pool": "token",
    }
    if config.get("use_gated_mlp"):
        return "vit_small_plus_patch16_dinov3_qkvb", options
    return "vit_base_patch16_dinov3_qkvb", options


def _siglip(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _activation(config, "gelu_pytorch_tanh")
    if "attn_pool.latent" not in state.tensors:
        # The classifier of transformers reads the mean of the patches after the last norm.
        options |= {"global_pool": "avg", "fc_norm": False}
    return "vit_base_patch16_siglip_224", options


def _clip(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    return "vit_base_patch16_clip_224", _plain(config) | _activation(config, "quick_gelu")


def _beit(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    if config.get("hidden_act", "gelu") != "gelu":
        raise UserError(f"A BEiT with the activation {clean(str(config['hidden_act']))!r} is not known here.")
    shared = bool(config.get("use_shared_relative_position_bias"))
    options = _plain(config) | {
        "init_values": float(config.get("layer_scale_init_value", 0.1)),
        "use_abs_pos_emb": bool(config.get("use_absolute_position_embeddings")),
        "use_rel_pos_bias": bool(config.get("use_relative_position_bias")) and not shared,
        "use_shared_rel_pos_bias": shared,
        "global_pool": "avg" if config.get("use_mean_pooling", True) else "token",
    }
    return "beit_base_patch16_224", options


TYPES: dict[str, Callable[[Mapping[str, Any], StateDict], tuple[str, dict[str, Any]]]] = {
    "vit": _vit,
    "deit": _vit,
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2,
    "dinov3_vit": _dinov3,
    "siglip_vision_model": _siglip,
    "siglip2_vision_model": _siglip,
    "clip_vision_model": _clip,
    "beit": _beit,
    "data2vec-vision": _beit,
    "vit_msn": _vit,
    "vit_mae": _vit,
    "ijepa": _ijepa,
    "metaclip_2_vision_model": _clip,
}
"""transformers' `model_type`, and what of timm it is."""


def _bias(config: Mapping[str, Any]) -> dict[str, Any]:
    return {} if config.get("qkv_bias", True) else {"qkv_bias": False}


def _ratio(hidden: int, width: int) -> float:
    """The ratio of which timm takes the whole part again, so that rounding never loses one."""
    return hidden / width if int(width * (hidden / width)) == hidden else (hidden + 0.5) / width


def _patch(value: Any) -> int | tuple[int, int]:
    height, width = pair(value)
    return height if height == width else (height, width)


def pair(value: Any) -> tuple[int, int]:
    """One side, or [height, width]. Raises TypeError or ValueError for anything else."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return int(height), int(width)


def three(values: Any) -> tuple[float, float, float]:
    """A number for each colour. Raises TypeError or ValueError for anything else."""
    first, second, third = (float(value) for value in values)
    return first, second, third
