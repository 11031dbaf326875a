"""A folder of open_clip: `open_clip_config.json`, whose picture tower is a network of timm."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.models.transformers_configs import pair, three
from vitbench.text import clean

FILE_NAME = "open_clip_config.json"
_OTHER_PARTS = ("attentional_pool", "attn_pooler_queries", "no_ln_pre", "final_ln_after_pool", "patch_dropout_first")
"""Keys that change what is computed, in ways that timm's CLIP towers have not."""
_POOLS = {"map": "map", "avg": "avg", "token": "token", "": ""}


@dataclass(frozen=True)
class Tower:
    """timm's name and arguments of a picture tower, the (height, width) it is for, and how pictures are prepared."""

    architecture: str
    options: dict[str, Any]
    image_size: tuple[int, int]
    preprocessing: Preprocessing


def read_open_clip(folder: Path) -> Tower:
    """The picture tower that a folder describes. Raises UserError naming the key that is missing or not understood."""
    file = folder / FILE_NAME
    said = read_json_object(file, DESCRIPTION)
    try:
        model: Mapping[str, Any] = said["model_cfg"]
        vision: Mapping[str, Any] = model["vision_cfg"]
        prepared: Mapping[str, Any] = said.get("preprocess_cfg") or {}
        size = pair(vision["image_size"])
        preprocessing = Preprocessing(
            *size,
            resize="squash" if prepared.get("resize_mode") == "squash" else "crop",
            crop_fraction=1.0,
            interpolation=str(prepared.get("interpolation", "bicubic")),
            mean=three(prepared.get("mean", (0.48145466, 0.4578275, 0.40821073))),
            std=three(prepared.get("std", (0.26862954, 0.26130258, 0.27577711))),
        )
        architecture, options = _tower(file, vision, bool(model.get("quick_gelu")))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UserError(f"{file} does not say what is needed of a picture tower ({error}).") from error
    return Tower(architecture, options, size, preprocessing)


def _tower(file: Path, vision: Mapping[str, Any], quick_gelu: bool) -> tuple[str, dict[str, Any]]:
    if named := vision.get("timm_model_name"):
        pool = str(vision.get("timm_pool", ""))
        if pool not in _POOLS:
            raise UserError(f"{file}: timm_pool is {clean(pool)!r}; known: {', '.join(filter(None, _POOLS))}.")
        return str(named), {"global_pool": pool} if pool else {}
    if changed := next((key for key in _OTHER_PARTS if vision.get(key)), None):
        raise UserError(f"{file}: {changed} asks for a picture tower that timm does not have.")
    if not isinstance(vision["layers"], int):
        raise UserError(
            f"{file}: layers are {clean(str(vision['layers']))}: a ResNet of CLIP's own, which timm has not."
        )
    patch, width = pair(vision["patch_size"]), int(vision["width"])
    options: dict[str, Any] = {
        "patch_size": patch[0] if patch[0] == patch[1] else patch,
        "embed_dim": width,
        "depth": int(vision["layers"]),
        "num_heads": width // int(vision.get("head_width", 64)),
        "mlp_ratio": float(vision.get("mlp_ratio", 4.0)),
    }
    return "vit_base_patch16_clip_224", options | ({"act_layer": "quick_gelu"} if quick_gelu else {})
