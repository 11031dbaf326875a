"""Weights that torch stores in parts: pruned ones with their mask, and normalised ones as direction and length."""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.state_dicts import StateDict, few
from vitbench.text import counted

_PARTS = {
    re.compile(r"(?P<name>.+)_(?P<part>orig|mask)"): ("pruned (torch.nn.utils.prune)", ("orig", "mask")),
    re.compile(r"(?P<name>.+)_(?P<part>g|v)"): ("normalised (torch.nn.utils.weight_norm)", ("g", "v")),
    re.compile(r"(?P<layer>.+\.|)parametrizations\.(?P<name>\w+)\.(?P<part>original0|original1)"): (
        "normalised (torch.nn.utils.parametrizations.weight_norm)",
        ("original0", "original1"),
    ),
}
_PARAMETRISED = re.compile(r"(.+\.|)parametrizations\.(\w+)\.original")


def made_whole(state: StateDict, where: str) -> StateDict:
    """The same weights with the two parts of each joined as the forward pass does, and said.

    Raises UserError for a parametrisation whose function the file does not tell.
    """
    for pattern, (said, parts) in _PARTS.items():
        found = _found(state.tensors, pattern, parts)
        if found:
            kept = {name: tensor for name, tensor in state.tensors.items() if name not in _names_of(found)}
            for name, (first, second) in found.items():
                kept[name] = _JOIN[parts](state.tensors[first], state.tensors[second])
            note = f"{counted(len(found), 'weight')} {said} and joined here: {few(list(found))}."
            state = StateDict(kept, state.notes).noting(note)
    unknown = [name for name in state.tensors if _PARAMETRISED.fullmatch(name)]
    if unknown:
        raise UserError(
            f"{where} holds parametrised weights ({few(unknown)}), and not the function that makes weights of them;"
            " where it was made, call torch.nn.utils.parametrize.remove_parametrizations before saving."
        )
    return state


def _found(
    tensors: Mapping[str, Tensor], pattern: re.Pattern[str], parts: tuple[str, str]
) -> dict[str, tuple[str, str]]:
    """Name of the whole to the names of its two parts, where both are there and of fitting shapes."""
    by_name: dict[str, dict[str, str]] = {}
    for name in tensors:
        if match := pattern.fullmatch(name):
            whole = f"{match.groupdict().get('layer') or ''}{match['name']}"
            by_name.setdefault(whole, {})[match["part"]] = name
    found = {}
    for whole, own in by_name.items():
        if set(own) == set(parts) and whole not in tensors:
            first, second = (tensors[own[part]] for part in parts)
            if first.dim() in (0, second.dim()):
                found[whole] = (own[parts[0]], own[parts[1]])
    return found


def _names_of(found: Mapping[str, tuple[str, str]]) -> set[str]:
    return {name for pair in found.values() for name in pair}


def _masked(weight: Tensor, mask: Tensor) -> Tensor:
    return weight * mask.to(weight.dtype)


def _normalised(length: Tensor, direction: Tensor) -> Tensor:
    """Salimans and Kingma 2016: g v / |v|, the norm over all axes in which `length` has one number."""
    axes = [axis for axis, size in enumerate(length.shape) if size == 1]
    return direction * (length / torch.linalg.vector_norm(direction, dim=axes or None, keepdim=True))


_JOIN: dict[tuple[str, str], Callable[[Tensor, Tensor], Tensor]] = {
    ("orig", "mask"): _masked,
    ("g", "v"): _normalised,
    ("original0", "original1"): _normalised,
}
