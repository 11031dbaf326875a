"""Weights in float8 with their scales beside them, as compressed-tensors, DeepSeek's format and ComfyUI store them."""

import re
from collections.abc import Mapping
from math import ceil

import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.state_dicts import StateDict, few

_FLOAT8 = {
    kind for name in dir(torch) if name.startswith("float8") and isinstance(kind := getattr(torch, name), torch.dtype)
}
_SCALE = re.compile(r"(?P<layer>.+\.)(?:(?:weight_)?scale(?:_inv)?|scale_weight|weight\._scale)")
"""`LAYER.weight_scale`, `LAYER.weight_scale_inv`, `LAYER.scale_weight`: what `LAYER.weight` is multiplied by."""
_OF_INPUTS = re.compile(r"(?P<layer>.+\.)(?:(?:input|activation|act|output|k|v)_scale(?:_inv)?|scale_input)")
"""Scales for what goes through a layer, which compute nothing once the weights are plain numbers."""
_BLOCK = 128
"""Rows and columns that share a scale in DeepSeek's format."""


def scaled_back(state: StateDict, where: str) -> StateDict:
    """The same weights with float8 matrices multiplied by the scales beside them, which are taken out.

    A scale is one number, one a row, or one for each block of 128 x 128. Raises UserError, naming the matrix, for one
    of another shape. Weights without scales are given back as they are.
    """
    small = {name for name, tensor in state.tensors.items() if tensor.dtype in _FLOAT8}
    layers = {name.removesuffix("weight") for name in small if name.endswith(".weight")}
    scales = _named(state.tensors, _SCALE, layers)
    if not scales:
        return state
    unused = {*scales.values(), *_named(state.tensors, _OF_INPUTS, layers).values()}
    kept = {name: tensor for name, tensor in state.tensors.items() if name not in unused and name != "scaled_fp8"}
    for layer, scale in scales.items():
        name = f"{layer}weight"
        kept[name] = _times(state.tensors[name].float(), state.tensors[scale].float(), f"{where}: {name}", scale)
    return StateDict(kept, state.notes).noting(
        f"{len(scales)} matrices are stored as float8 and were multiplied by their scales"
        f" ({few(list(scales.values()))})."
    )


def _named(tensors: Mapping[str, Tensor], pattern: re.Pattern[str], layers: set[str]) -> dict[str, str]:
    """Layer to the name of its scale."""
    matches = (pattern.fullmatch(name) for name in tensors)
    return {match["layer"]: match[0] for match in matches if match and match["layer"] in layers}


def _times(weight: Tensor, scale: Tensor, where: str, name: str) -> Tensor:
    rows, columns = weight.shape[0], weight[0].numel() if weight.dim() else 1
    if scale.numel() == 1:
        return weight * scale.reshape(())
    if scale.numel() == rows and scale.shape[0] == rows:
        return weight * scale.reshape(rows, *[1] * (weight.dim() - 1))
    if weight.dim() == 2 and tuple(scale.shape) == (ceil(rows / _BLOCK), ceil(columns / _BLOCK)):
        spread = scale.repeat_interleave(_BLOCK, 0)[:rows].repeat_interleave(_BLOCK, 1)[:, :columns]
        return weight * spread
    sizes = "x".join(map(str, weight.shape)), "x".join(map(str, scale.shape))
    raise UserError(
        f"{where} ({sizes[0]}) is float8 with a scale {name} of {sizes[1]}, which is neither one number, one a row nor"
        f" one a block of {_BLOCK}; save the network with its weights as floating-point numbers."
    )
