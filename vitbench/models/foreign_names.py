"""Weights under the names of other libraries (transformers, torchvision), brought to timm's names.

Each family (`foreign_families`) is a table of patterns: the same arrays under other names, with query, key and value
stacked in one matrix.
The functions that the networks compute are the same; tests compare their outputs with the libraries' own.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.foreign_families import FAMILIES, Family
from vitbench.models.no_networks import check_is_network
from vitbench.models.pretrained_vit import to_timm_state
from vitbench.models.state_dicts import StateDict, few

_PRETRAINED_VIT = "positional_embedding.pos_embedding"
"""A name that only pytorch_pretrained_vit has."""
_LINEAR_HEAD = re.compile(r"(.*\.)?linear_head\.(weight|bias)")
_CHUNKED = re.compile(r"(?P<before>(.*\.)?blocks\.)\d+\.(?P<block>\d+)\.(?P<part>(norm[12]|attn|mlp|ls[12])\..+)")
_QKV = re.compile(r"blocks\.(\d+)\.attn\.([qkv])\.(weight|bias)")


def family_of(state: StateDict) -> Family | None:
    """The family whose names these are; None for timm's and unknown ones."""
    return next((family for family in FAMILIES if _prefix(family, state.tensors) is not None), None)


def to_timm_names(state: StateDict) -> StateDict:
    """The same arrays under timm's names; what belongs to no part of the network is left out with a note.

    Names of timm, and names that nobody knows, are given back as they are.
    """
    check_is_network(state.tensors)
    state = _without_chunks(state)
    positions = next((name for name in state.tensors if name.endswith(_PRETRAINED_VIT)), None)
    if positions is not None:
        return _from_pretrained_vit(state, positions.removesuffix(_PRETRAINED_VIT))
    family = family_of(state)
    if family is None:
        return _with_head(state)
    prefix = _prefix(family, state.tensors)
    assert prefix is not None
    converted, left = {}, []
    for name, tensor in state.tensors.items():
        ours = _renamed(name.removeprefix(prefix), family.names) if name.startswith(prefix) else None
        ours = ours or _renamed(_head_name(name), family.heads)
        if ours is None and not prefix:
            # transformers 5 saves blocks of an MSN without the prefix that its embeddings have.
            ours = _renamed(name.partition(".")[2], family.names)
        if ours is None:
            left.append(name)
        else:
            converted[ours] = tensor
    converted = family.finish(_stacked(converted, family))
    note = f"The names are those of {family.name}."
    if left:
        note += f" Left out, since timm's network has no such part: {few(left)}."
    return StateDict(converted, (*state.notes, note))


def _without_chunks(state: StateDict) -> StateDict:
    """DINOv2's trainer keeps blocks in chunks (`blocks.0.3.norm1.weight`) that count them through."""
    matches = {name: match for name in state.tensors if (match := _CHUNKED.fullmatch(name))}
    named = {name: f"{match['before']}{match['block']}.{match['part']}" for name, match in matches.items()}
    has_token = any(name.endswith("cls_token") for name in state.tensors)
    if not named or not has_token or len(set(named.values())) < len(named):
        return state
    return StateDict({named.get(name, name): tensor for name, tensor in state.tensors.items()}, state.notes)


def _with_head(state: StateDict) -> StateDict:
    """DINOv2's own linear classifier beside its backbone, as the head that it is."""
    weight = next((tensor for name, tensor in state.tensors.items() if name.endswith("linear_head.weight")), None)
    token = next((tensor for name, tensor in state.tensors.items() if name.endswith("cls_token")), None)
    if weight is None or token is None or not weight.shape:
        return state
    if weight.shape[-1] == 5 * token.shape[-1]:
        raise UserError(
            "The classifier in this file reads the class token of four layers; vitbench opens DINOv2's classifiers of"
            " one layer, and its backbone alone."
        )
    named = {_LINEAR_HEAD.sub(r"\1head.\2", name): tensor for name, tensor in state.tensors.items()}
    return StateDict(named, state.notes)


def _from_pretrained_vit(state: StateDict, prefix: str) -> StateDict:
    own = {name.removeprefix(prefix): tensor for name, tensor in state.tensors.items() if name.startswith(prefix)}
    left = [name for name in state.tensors if not name.startswith(prefix)]
    note = (f"Only what begins with {prefix!r} was read; left out: {few(left)}.",) if left else ()
    return StateDict(to_timm_state(own), (*state.notes, *note))


def _prefix(family: Family, names: Mapping[str, Tensor]) -> str | None:
    for name in names:
        # MAE's decoder has blocks of the same names as its encoder.
        if (match := family.anchor.fullmatch(name)) and "decoder" not in name:
            return next((group for group in match.groups() if group is not None), "")
    return None


def _head_name(name: str) -> str:
    """The last two words of a name, and with them a head's own, wherever the head lies."""
    return ".".join(name.split(".")[-2:])


def _renamed(name: str, patterns: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, ours in patterns:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    return None


def _stacked(tensors: dict[str, Tensor], family: Family) -> dict[str, Tensor]:
    """Query, key and value of each block in one matrix, as timm has them; a missing bias of the keys is zero."""
    parts: dict[tuple[str, str], dict[str, Tensor]] = {}
    stacked: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if match := _QKV.fullmatch(name):
            parts.setdefault((match[1], match[3]), {})[match[2]] = tensor
        else:
            stacked[name] = tensor
    for (block, kind), three in parts.items():
        place = f"blocks.{block}.attn"
        if kind == "bias" and family.separate_bias:
            stacked |= {f"{place}.{part}_bias": three[part] for part in ("q", "v") if part in three}
        elif three:
            some = next(iter(three.values()))
            stacked[f"{place}.qkv.{kind}"] = torch.cat([three.get(part, torch.zeros_like(some)) for part in "qkv"])
    return stacked
