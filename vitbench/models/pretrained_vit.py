"""The networks of `pytorch_pretrained_vit`, as timm's VisionTransformer: the exact key map, there and back.

Both compute the same function (Dosovitskiy et al. 2021), so one kind of network is trained, explained and compiled.
Their state dicts differ in names, and in timm stacking query, key and value in one matrix.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_pretrained_vit.configs import PRETRAINED_MODELS
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models import timm_networks
from vitbench.nearest import perhaps

DROPOUT = 0.1
"""Its dropout on attention weights, after the attention's projection and after the MLP; `attention_dropout_rate` of its
configurations has no effect."""

_ARCHITECTURES = {
    "B_16": "vit_base_patch16_224",
    "B_32": "vit_base_patch32_224",
    "L_16": "vit_large_patch16_224",
    "L_32": "vit_large_patch32_224",
}
_WHOLE_NAMES = {
    "class_token": "cls_token",
    "positional_embedding.pos_embedding": "pos_embed",
}
_NAME_STARTS = {
    "patch_embedding.": "patch_embed.proj.",
    "norm.": "norm.",
    "fc.": "head.",
}
_BLOCK_PARTS = {
    "norm1.": "norm1.",
    "norm2.": "norm2.",
    "proj.": "attn.proj.",
    "pwff.": "mlp.",
}
_BLOCK = re.compile(r"transformer\.blocks\.(\d+)\.(.+)")
_TIMM_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


def names() -> list[str]:
    """The names that pytorch_pretrained_vit knows."""
    return list(PRETRAINED_MODELS)


def configuration(name: str) -> dict[str, Any]:
    """The row of pytorch_pretrained_vit's table for `name`; UserError with the names it has if there is none."""
    if name not in PRETRAINED_MODELS:
        raise UserError(
            f"pytorch_pretrained_vit has no network {name!r}{perhaps(name, names())}; it has {', '.join(names())}."
        )
    row: dict[str, Any] = PRETRAINED_MODELS[name]
    return row


def architecture(name: str) -> str:
    """timm's name for the architecture of `name`."""
    configuration(name)
    return _ARCHITECTURES[name.removesuffix("_imagenet1k")]


def image_size(name: str) -> tuple[int, int]:
    """(height, width) in pixels that `name` was trained at."""
    height, width = configuration(name)["image_size"]
    return height, width


def preprocessing(name: str, size: tuple[int, int] | None = None) -> Preprocessing:
    """Resize to `size` (height, width) whatever the picture's shape, then mean and deviation 0.5."""
    height, width = size or image_size(name)
    return Preprocessing(height=height, width=width)


def address(name: str) -> str:
    """Where the weights of `name` are published; UserError if they never were (`L_16`)."""
    url = configuration(name)["url"]
    if not url:
        raise UserError(
            f"The weights of pretrained_vit:{name} were never released; use pretrained_vit:{name}_imagenet1k,"
            f" timm:{architecture(name)}, or set model.weights to a file of yours."
        )
    return str(url)


def create(
    name: str, *, size: tuple[int, int] | None = None, num_classes: int | None = None, **options: object
) -> VisionTransformer:
    """The network as a timm module with fresh weights, dropout where pytorch_pretrained_vit has it, and its zero head.

    `size` (height, width) and `num_classes` are those it was trained with unless given. `options` are further arguments
    of `timm.create_model` (embed_dim, depth, num_heads, drop_path_rate ...). UserError if they do not fit.
    """
    settings = {"attn_drop_rate": DROPOUT, "proj_drop_rate": DROPOUT} | options
    classes = configuration(name)["num_classes"] if num_classes is None else num_classes
    module = timm_networks.create(architecture(name), size=size or image_size(name), num_classes=classes, **settings)
    assert isinstance(module, VisionTransformer)
    for block in module.blocks:
        block.mlp.drop1.p = 0.0  # type: ignore[union-attr]  # a layer of timm's block
    if isinstance(module.head, nn.Linear):
        nn.init.zeros_(module.head.weight)
        nn.init.zeros_(module.head.bias)
    return module


def to_timm_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under timm's names.

    A representation layer (`pre_logits`) is left out, as `ViT(name)` leaves it out. Names that belong to neither stay
    as they are, so that loading names them.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        block = _BLOCK.fullmatch(name)
        if name.startswith("pre_logits."):
            continue
        if block is None:
            converted[_WHOLE_NAMES.get(name) or _replaced_start(name, _NAME_STARTS)] = tensor
        elif not block[2].startswith("attn.proj_"):
            converted[f"blocks.{block[1]}.{_replaced_start(block[2], _BLOCK_PARTS)}"] = tensor
        elif block[2].startswith("attn.proj_q."):
            kind = block[2].removeprefix("attn.proj_q.")
            parts = [state.get(f"transformer.blocks.{block[1]}.attn.proj_{part}.{kind}") for part in "qkv"]
            converted[f"blocks.{block[1]}.attn.qkv.{kind}"] = torch.cat([part for part in parts if part is not None])
    return converted


def to_pretrained_vit_state(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a timm module as a state dict that `pytorch_pretrained_vit.ViT` loads, strictly.

    Raises UserError if the network is not of the kind that pytorch_pretrained_vit can compute.
    """
    _check_expressible(module)
    back = {timm_name: name for name, timm_name in _WHOLE_NAMES.items()}
    starts = {timm_start: start for start, timm_start in _NAME_STARTS.items()}
    parts = {timm_start: start for start, timm_start in _BLOCK_PARTS.items()}
    converted: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        block = _TIMM_BLOCK.fullmatch(name)
        if block is None:
            converted[back.get(name) or _replaced_start(name, starts)] = tensor
        elif block[2].startswith("attn.qkv."):
            kind = block[2].removeprefix("attn.qkv.")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                converted[f"transformer.blocks.{block[1]}.attn.proj_{part}.{kind}"] = piece.clone()
        else:
            converted[f"transformer.blocks.{block[1]}.{_replaced_start(block[2], parts)}"] = tensor
    return converted


def _replaced_start(name: str, starts: Mapping[str, str]) -> str:
    start = next((start for start in starts if name.startswith(start)), None)
    return name if start is None else starts[start] + name.removeprefix(start)


def _check_expressible(module: object) -> None:
    """Raises UserError with the first thing that pytorch_pretrained_vit has no counterpart for."""
    if type(module) is not VisionTransformer:
        raise UserError(f"pytorch_pretrained_vit can compute a plain ViT only, not {type(module).__name__}.")
    block: Any = module.blocks[0]
    obstacles = {
        "pools by " + str(module.global_pool) + " instead of its class token": module.global_pool != "token",
        "has registers": module.num_reg_tokens > 0,
        "has no absolute position embedding": module.pos_embed is None,
        "gives its class token no position": module.no_embed_class,
        "normalises before its first block": not isinstance(module.norm_pre, nn.Identity),
        "has no final norm before pooling": not isinstance(module.norm, nn.LayerNorm),
        "has no linear head": not isinstance(module.head, nn.Linear),
        "has another kind of block": type(block).__name__ != "Block",
        "scales its layers": not isinstance(getattr(block, "ls1", None), nn.Identity),
        "normalises queries and keys": not isinstance(getattr(block.attn, "q_norm", None), nn.Identity),
        "has no bias on queries, keys and values": getattr(block.attn, "qkv", None) is None
        or block.attn.qkv.bias is None,
        "has another activation": type(getattr(block.mlp, "act", None)) is not nn.GELU,
    }
    for obstacle, stands in obstacles.items():
        if stands:
            raise UserError(f"This network cannot be written for pytorch_pretrained_vit: it {obstacle}.")
