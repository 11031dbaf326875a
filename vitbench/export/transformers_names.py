"""timm's names of weights as transformers': the way back of `vitbench.models.foreign_names`, for ViT, DeiT and DINOv2.

The names are those that transformers writes into files, which all its versions read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")
_EMBEDDINGS = {
    "cls_token": "embeddings.cls_token",
    "dist_token": "embeddings.distillation_token",
    "reg_token": "embeddings.register_tokens",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.": "embeddings.patch_embeddings.projection.",
    "norm.": "layernorm.",
}
_BERT_PARTS = {
    "norm1.": "layernorm_before.",
    "norm2.": "layernorm_after.",
    "attn.proj.": "attention.output.dense.",
    "mlp.fc1.": "intermediate.dense.",
    "mlp.fc2.": "output.dense.",
}
_DINO_PARTS = {
    "norm1.": "norm1.",
    "norm2.": "norm2.",
    "attn.proj.": "attention.output.dense.",
    "mlp.fc1.": "mlp.fc1.",
    "mlp.fc2.": "mlp.fc2.",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
_QKV = {"q": "query", "k": "key", "v": "value"}


@dataclass(frozen=True)
class TransformersKind:
    """A kind of network of transformers: its `model_type`, the prefix of its backbone, and its names."""

    model_type: str
    prefix: str
    classifier: str
    """The class with a head, as `architectures` names it."""
    headless: str
    """The class without one."""
    parts: Mapping[str, str]
    heads: Mapping[str, str]


VIT = TransformersKind("vit", "vit.", "ViTForImageClassification", "ViTModel", _BERT_PARTS, {"head.": "classifier."})
DEIT = TransformersKind(
    "deit",
    "deit.",
    "DeiTForImageClassificationWithTeacher",
    "DeiTModel",
    _BERT_PARTS,
    {"head.": "cls_classifier.", "head_dist.": "distillation_classifier."},
)
DINOV2 = TransformersKind(
    "dinov2", "dinov2.", "Dinov2ForImageClassification", "Dinov2Model", _DINO_PARTS, {"head.": "classifier."}
)
DINOV2_REGISTERS = TransformersKind(
    "dinov2_with_registers",
    "dinov2_with_registers.",
    "Dinov2WithRegistersForImageClassification",
    "Dinov2WithRegistersModel",
    _DINO_PARTS,
    {"head.": "classifier."},
)


def to_transformers(state: Mapping[str, Tensor], kind: TransformersKind) -> dict[str, Tensor]:
    """The same arrays under the names of `kind`. Raises ValueError naming a weight that has no place there.

    A network without a head has no prefix, as transformers saves its bare models.
    """
    prefix = kind.prefix if any(name.startswith(tuple(kind.heads)) for name in state) else ""
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        block = _BLOCK.fullmatch(name)
        if block and block[2].startswith("attn.qkv."):
            ending = block[2].removeprefix("attn.qkv.")
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                place = f"{prefix}encoder.layer.{block[1]}.attention.attention.{_QKV[part]}.{ending}"
                converted[place] = piece.clone()
        elif block:
            converted[f"{prefix}encoder.layer.{block[1]}.{_placed(block[2], kind.parts, name)}"] = tensor
        elif name.startswith(tuple(kind.heads)):
            converted[_placed(name, kind.heads, name)] = tensor
        else:
            converted[prefix + _placed(name, _EMBEDDINGS, name)] = tensor
    return _of_dinov2(converted, prefix, kind) if kind.parts is _DINO_PARTS else converted


def _of_dinov2(converted: dict[str, Tensor], prefix: str, kind: TransformersKind) -> dict[str, Tensor]:
    """What DINOv2 has beyond: a token for masked patches, and a head that also reads the mean of the patches."""
    width = converted[f"{prefix}embeddings.cls_token"].shape[-1]
    some = converted[f"{prefix}embeddings.cls_token"]
    converted[f"{prefix}embeddings.mask_token"] = some.new_zeros(1, width)
    if kind is DINOV2_REGISTERS:
        # transformers adds a position to the class token; timm has none there.
        place = f"{prefix}embeddings.position_embeddings"
        converted[place] = torch.cat([some.new_zeros(1, 1, width), converted[place]], dim=1)
    if "classifier.weight" in converted:
        head = converted["classifier.weight"]
        if head.shape[1] == width:
            converted["classifier.weight"] = torch.cat([head, torch.zeros_like(head)], dim=1)
    for name in [name for name in converted if re.search(r"\.mlp\.fc[12]\.", name)]:
        if _is_gated(converted, name):
            tensor = converted.pop(name)
            converted[name.replace(".fc1.", ".weights_in.").replace(".fc2.", ".weights_out.")] = tensor
    return converted


def _is_gated(converted: Mapping[str, Tensor], name: str) -> bool:
    """Whether the MLP that `name` belongs to multiplies two halves: its first layer is twice as wide as its second."""
    block = name.partition(".mlp.")[0]
    first = converted.get(f"{block}.mlp.fc1.weight", converted.get(f"{block}.mlp.weights_in.weight"))
    second = converted.get(f"{block}.mlp.fc2.weight", converted.get(f"{block}.mlp.weights_out.weight"))
    return first is not None and second is not None and first.shape[0] == 2 * second.shape[1]


def _placed(name: str, starts: Mapping[str, str], whole: str) -> str:
    start = next((start for start in starts if name.startswith(start)), None)
    if start is None:
        raise ValueError(whole)
    return starts[start] + name.removeprefix(start)
