"""A network as a folder that transformers loads by `from_pretrained`: ViT, DeiT and DINOv2."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from timm.layers import GluMlp, Mlp, QuickGELU
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vitbench.data.hugging_face_preprocessing import FILE_NAME as PREPROCESSING_NAME
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.export.transformers_names import DEIT, DINOV2, DINOV2_REGISTERS, VIT, TransformersKind, to_transformers
from vitbench.models.hugging_face_folder import OWN_KEY
from vitbench.models.network import Network
from vitbench.models.token_and_mean import TOKEN_AND_MEAN

_RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
"""Pillow's numbers."""


def kind_of(network: Network) -> TransformersKind:
    """Which network of transformers computes the same. Raises UserError with the first thing that none has."""
    module: Any = network.module
    if not isinstance(module, VisionTransformer):
        raise _refused(f"it is a {type(module).__name__}, and ViT, DeiT and DINOv2 are written")
    block: Any = module.blocks[0]
    scaled = not isinstance(getattr(block, "ls1", nn.Identity()), nn.Identity)
    distilled = isinstance(module, VisionTransformerDistilled)
    obstacles = {
        "it has another kind of block": type(block).__name__ != "Block",
        "its patches are made by more than one convolution": not isinstance(
            getattr(module.patch_embed, "proj", None), nn.Conv2d
        ),
        "it normalises its patches": not isinstance(module.patch_embed.norm, nn.Identity),
        f"its head reads {module.global_pool!r} instead of the class token": module.num_classes > 0
        and module.global_pool != "token"
        and not (module.global_pool == TOKEN_AND_MEAN and scaled),
        "it has no class token": module.cls_token is None,
        "it has no absolute position embedding": module.pos_embed is None,
        "it normalises before its first block": not isinstance(module.norm_pre, nn.Identity),
        "it has no final norm before its head": not isinstance(module.norm, nn.LayerNorm),
        "it has a second norm before its head": not isinstance(module.fc_norm, nn.Identity),
        "it normalises queries and keys": not isinstance(getattr(block.attn, "q_norm", None), nn.Identity),
        "it normalises inside its attention": not isinstance(getattr(block.attn, "norm", nn.Identity()), nn.Identity),
        "its MLP is of another kind": not (type(block.mlp) is Mlp or _is_gated(block.mlp)),
        "it has registers without layer scale": module.num_reg_tokens > 0 and not scaled,
        "its class token has no position": module.no_embed_class and not module.num_reg_tokens,
        "its registers have a position": bool(module.num_reg_tokens) and not module.no_embed_class,
        "it takes pictures that are not square, and its DINOv2 lays positions out in a square": scaled
        and network.image_size[0] != network.image_size[1],
        "its gated MLP is not that of a ViT": _is_gated(block.mlp) and not scaled,
    }
    for obstacle, stands in obstacles.items():
        if stands:
            raise _refused(obstacle)
    if distilled:
        return DEIT
    if scaled:
        return DINOV2_REGISTERS if module.num_reg_tokens else DINOV2
    return VIT


def write(network: Network, state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes config.json, preprocessor_config.json and model.safetensors with `state` (timm's names).

    Raises UserError for a network that transformers' ViT, DeiT and DINOv2 cannot compute.
    """
    kind = kind_of(network)
    try:
        converted = to_transformers(state, kind)
    except ValueError as error:
        raise _refused(f"its weight {error} has no place there") from error
    some = next(iter(converted.values()))
    document = _config(network, kind) | {"dtype": str(some.dtype).removeprefix("torch.")}
    document["torch_dtype"] = document["dtype"]  # as releases before 5 call it
    _write_json(folder / "config.json", document)
    _write_json(folder / PREPROCESSING_NAME, processor(network.preprocessing))
    tensors = {name: tensor.contiguous() for name, tensor in converted.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def open_again(folder: Path, num_classes: int) -> Callable[[Tensor], Tensor]:
    """Logits (without classes the class token) of normalised pictures [B, 3, H, W], as transformers computes them."""
    from transformers import AutoModel, AutoModelForImageClassification

    if num_classes:
        classifier: Any = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32).eval()
        return lambda pixels: classifier(pixel_values=pixels).logits
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    return lambda pixels: model(pixel_values=pixels).last_hidden_state[:, 0]


def _is_gated(mlp: Any) -> bool:
    """Whether it is DINOv2's: two halves of one layer, the first one gates by SiLU."""
    gated = type(mlp) is GluMlp and not mlp.gate_last and isinstance(mlp.act, nn.SiLU)
    return gated and isinstance(mlp.norm, nn.Identity)


def _config(network: Network, kind: TransformersKind) -> dict[str, Any]:
    module: Any = network.module
    block = module.blocks[0]
    height, width = network.image_size
    patch = [int(side) for side in module.patch_embed.patch_size]
    document: dict[str, Any] = {
        "model_type": kind.model_type,
        "architectures": [kind.classifier if network.num_classes else kind.headless],
        "hidden_size": int(module.embed_dim),
        "num_hidden_layers": len(module.blocks),
        "num_attention_heads": int(block.attn.num_heads),
        "image_size": height if height == width else [height, width],
        "patch_size": patch[0] if patch[0] == patch[1] else patch,
        "num_channels": 3,
        "hidden_act": "silu" if _is_gated(block.mlp) else _activation(block),
        "layer_norm_eps": float(module.norm.eps),
        "qkv_bias": block.attn.qkv.bias is not None,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    if kind in (DINOV2, DINOV2_REGISTERS):
        gated = _is_gated(block.mlp)
        hidden = int(block.mlp.fc2.in_features)
        document |= {
            "mlp_ratio": _whole_ratio(hidden, int(module.embed_dim), gated),
            "use_swiglu_ffn": gated,
            "layerscale_value": 1.0,
            "drop_path_rate": 0.0,
        }
        if module.num_reg_tokens:
            document["num_register_tokens"] = int(module.num_reg_tokens)
    else:
        document["intermediate_size"] = int(block.mlp.fc1.out_features)
    if network.num_classes:
        names = network.labels or tuple(f"LABEL_{number}" for number in range(network.num_classes))
        document["id2label"] = {str(number): name for number, name in enumerate(names)}
        document["label2id"] = {name: number for number, name in enumerate(names)}
        kind_of_labels = "multi" if network.multilabel else "single"
        document["problem_type"] = f"{kind_of_labels}_label_classification"
    document[OWN_KEY] = {"preprocessing": network.preprocessing.to_dict()}
    return document


def _whole_ratio(hidden: int, width: int, gated: bool) -> float | int:
    """transformers takes `int(width * mlp_ratio)`; of a gated MLP two thirds of that, rounded up to eight."""
    if gated:
        wanted = next((ratio for ratio in range(1, 17) if (int(width * ratio * 2 / 3) + 7) // 8 * 8 == hidden), None)
        if wanted is None:
            raise _refused(f"its gated MLP is {hidden} wide, which no ratio of {width} gives there")
        return wanted
    if hidden % width == 0:
        return hidden // width
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else (hidden + 0.5) / width


def _activation(block: Any) -> str:
    """transformers' name of the activation between the two layers of the MLP."""
    activation = block.mlp.act
    if isinstance(activation, QuickGELU):
        return "quick_gelu"
    if isinstance(activation, nn.GELU):
        return "gelu" if activation.approximate == "none" else "gelu_pytorch_tanh"
    if type(activation).__name__ == "GELUTanh":
        return "gelu_pytorch_tanh"
    if type(activation).__name__ == "GELU":
        return "gelu"
    if isinstance(activation, nn.ReLU):
        return "relu"
    if isinstance(activation, nn.SiLU):
        return "silu"
    raise _refused(f"its activation {type(activation).__name__} has no name there")


def processor(preprocessing: Preprocessing) -> dict[str, Any]:
    """preprocessor_config.json: of the processors of transformers, the one that does the same."""
    fraction = preprocessing.crop_fraction
    scaled = {
        "height": math.floor(preprocessing.height / fraction),
        "width": math.floor(preprocessing.width / fraction),
    }
    cut = {"height": preprocessing.height, "width": preprocessing.width}
    document: dict[str, Any] = {
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "resample": _RESAMPLE[preprocessing.interpolation],
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }
    if preprocessing.resize == "squash" and scaled == cut:
        return document | {"image_processor_type": "ViTImageProcessor", "size": cut}
    if preprocessing.resize == "squash":
        size: dict[str, int] = scaled
        name = "DeiTImageProcessor"
    else:
        # Of other shapes than squares none of its processors cuts the largest centre: this one comes nearest.
        size, name = {"shortest_edge": max(scaled.values())}, "BitImageProcessor"
    return document | {"image_processor_type": name, "size": size, "do_center_crop": True, "crop_size": cut}


def inexact(preprocessing: Preprocessing) -> str:
    """A sentence where transformers has no processor that prepares pictures in just this way; empty otherwise."""
    if preprocessing.resize == "crop" and preprocessing.height != preprocessing.width:
        return (
            "transformers has no processor that cuts the largest centre of another shape than a square: the one named"
            " in preprocessor_config.json makes pictures a little larger before it cuts; vitbench reads its own"
            " description in config.json."
        )
    return ""


def _refused(why: str) -> UserError:
    return UserError(
        f"This network cannot be written for transformers: {why}. --format timm and --format onnx write any network."
    )


def _write_json(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
