"""The state dict inside what a training script saved, and its names without the prefixes of wrappers.

Scripts nest the weights under names of their own (`model_state_dict`, `net`, `teacher` ...), beside optimizers, second
copies and settings. Tensors are found wherever they lie; what was chosen and what was left is said in `notes`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

_WRAPPERS = ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "_forward_module.", "_checkpoint_wrapped_module.")
"""What torch.compile, DistributedDataParallel, FSDP and Fabric put before each name, in any order."""
_INNER = re.compile(r"(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What they put inside a name where blocks are wrapped one by one."""
_AVERAGED = re.compile(r"(^|_)(ema|averaged|swa|teacher|target)(_|$)")
"""Averaged weights, which are the ones to evaluate: timm's `state_dict_ema`, DINO's `teacher`, BYOL's `target`."""
_SECOND = re.compile(r"(^|_)(student|online|discriminator|initial|init)(_|$)")
_NOT_WEIGHTS = re.compile(
    r"optim|(^|_)opt(_|$)|sched|scaler|(^|_)(loss|criterion|rng|random|history|metrics|callbacks|loops)(_|$)"
)
_DEPTH = 6
_BACKBONE_LEFTOVERS = re.compile(
    r"(^|\.)(mask_token|masked_embed|decoder_\w+|decoder\.|dino_head|ibot_head|head\.(mlp|last_layer)|projector|projection_head|"
    r"prototypes|predictor|lm_head|cls_pt_layers|queue\w*|criterion|loss\w*|logit_scale|text_model|pooler\.dense|"
    r"num_batches_seen|n_averaged|total_ops|total_params|data_preprocessor)"
)
"""Parts of a training, not of the network: MAE's decoder, the heads of DINO, SimCLR and BEiT, what thop counts."""


_LINEAR = re.compile(
    r"(module\.|model\.|net\.)?((cls|class|classification)_)?(fc|classifier|head|linear)(\.\d)?\.(weight|bias)"
)
"""A linear layer that scripts put behind a network, maybe after a dropout."""


@dataclass(frozen=True)
class StateDict:
    """Names to tensors, with one sentence for each thing that was chosen or left out on the way."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str) -> "StateDict":
        """The same with more notes."""
        return replace(self, notes=self.notes + notes)


def find_state_dict(saved: object) -> StateDict | None:
    """The weights in `saved` (nested mappings and sequences); None if there is no tensor in it.

    Averaged weights come before plain ones, plain ones before a student's, and larger ones before smaller ones.
    """
    candidates = list(_candidates(saved, "", 0, set()))
    if not candidates:
        return None
    largest = max(_size(tensors) for _, tensors in candidates)
    whole = [entry for entry in candidates if 2 * _size(entry[1]) >= largest]
    where, tensors = min(whole, key=lambda entry: (_rank(entry[0]), -_size(entry[1]), len(entry[0])))
    others = [name for name, _ in whole if name != where]
    notes = [f"The weights are those under {where!r}; {_listed(others)} in the file too."] if others else []
    return StateDict({_without_wrappers(name): tensor for name, tensor in tensors.items()}, tuple(notes))


def fitted(state: StateDict, wanted: Collection[str]) -> StateDict:
    """`state` without the prefix that keeps its names from those of the network, `wanted`.

    Lightning writes `model.blocks...`, DINO `backbone.blocks...`. Under a prefix, what has another one belongs to
    something else (a loss, a projection head) and is left out, with a note. Without one, only what is known to belong
    to self-supervised training is left out: everything else has to fit, and is named when it does not.
    """
    names, targets = state.tensors, set(wanted)
    prefixes = {name[: match.end()] for name in names for match in re.finditer(r"\.", name)}
    hits = {prefix: sum(prefix + target in names for target in targets) for prefix in prefixes}
    # Of two networks that fit as well, a teacher before its student.
    best = max(sorted(hits), key=lambda prefix: (hits[prefix], -_rank(prefix), -len(prefix)), default="")
    if not best or hits[best] <= sum(name in targets for name in names):
        return _without_leftovers(_with_head_outside(state, names, ""), targets)
    kept = {name[len(best) :]: tensor for name, tensor in names.items() if name.startswith(best)}
    others = [name for name in names if not name.startswith(best)]
    # A head that stands outside the backbone (`backbone.blocks...`, `head.weight`) fits as it is.
    of_head = targets | {"head.weight", "head.bias"}  # which the network may have been published without
    heads = {name: names[name] for name in others if name in of_head and name not in kept}
    if not heads and not of_head & kept.keys() & {"head.weight"}:
        outside = _with_head_outside(state, kept, best)
        heads = {name: outside.tensors[name] for name in ("head.weight", "head.bias") if name in outside.tensors}
        others = [name for name in others if name in outside.tensors]
        state = replace(state, notes=outside.notes)
    others = [name for name in others if name not in heads]
    if others:
        state = state.noting(f"Only what begins with {best!r} was read; left out: {few(others)}.")
    return _without_leftovers(replace(state, tensors=kept | heads), targets)


def _with_head_outside(state: StateDict, backbone: Mapping[str, Tensor], prefix: str) -> StateDict:
    """The one linear layer that a script put behind a network without head (`self.fc`), as its head, which is said.

    `backbone` are the network's own names, which stand under `prefix` in the file.
    """
    width = backbone["norm.weight"].shape[0] if "norm.weight" in backbone else 0
    outside = {
        name: tensor
        for name, tensor in state.tensors.items()
        if _LINEAR.fullmatch(name) and not _is_under(name, prefix)
    }
    weights = [name for name in outside if name.endswith("weight")]
    if len(weights) != 1 or "head.weight" in backbone or outside[weights[0]].dim() != 2:
        return state
    classes, inner = outside[weights[0]].shape
    bias = outside.get(weights[0].removesuffix("weight") + "bias")
    if inner != width or len(outside) > 2 or (bias is not None and bias.shape != (classes,)):
        return state
    kept = {name: tensor for name, tensor in state.tensors.items() if name not in outside}
    kept |= {f"head.{name.rpartition('.')[2]}": tensor for name, tensor in outside.items()}
    return replace(state, tensors=kept).noting(
        f"{weights[0]} is read as the head of the network, on what it gives without one."
    )


def _is_under(name: str, prefix: str) -> bool:
    return bool(prefix) and name.startswith(prefix)


def few(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _without_leftovers(state: StateDict, wanted: set[str]) -> StateDict:
    # By the mask token timm knows files of DINOv2 and EVA, and takes it off itself; not so for BEiT's relative biases.
    for_timm = {"mask_token"} if not any(name.endswith("relative_position_bias_table") for name in wanted) else set()
    left = [name for name in state.tensors if name not in wanted and _BACKBONE_LEFTOVERS.search(name)]
    if set(left) <= for_timm:
        return state
    kept = {name: tensor for name, tensor in state.tensors.items() if name not in left or name in for_timm}
    note = f"Left out, since it belongs to another part of the training: {few(left)}."
    return replace(state, tensors=kept).noting(note)


def _candidates(value: object, where: str, depth: int, seen: set[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Each mapping that holds tensors itself, by its dotted place."""
    if depth > _DEPTH or id(value) in seen or _NOT_WEIGHTS.search(where.rpartition(".")[2].lower()):
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        tensors = {str(name): entry for name, entry in value.items() if isinstance(entry, Tensor)}
        # A dictionary of numpy's arrays, as JAX and scikit-learn leave it.
        arrays = {str(n): e for n, e in value.items() if isinstance(e, np.ndarray) and e.ndim and e.dtype.kind == "f"}
        if not tensors and len(arrays) > 1:
            tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        # A single number beside a nested state dict (a loss, a step) is no network.
        if any(tensor.dim() > 0 for tensor in tensors.values()):
            yield where, tensors
        for name, entry in value.items():
            yield from _candidates(entry, f"{where}.{name}".lstrip("."), depth + 1, seen)
    elif isinstance(value, list | tuple):
        pairs = [entry for entry in value if isinstance(entry, list | tuple) and len(entry) == 2]
        if len(pairs) == len(value) > 1 and all(isinstance(n, str) and isinstance(t, Tensor) for n, t in pairs):
            yield where, {pair[0]: pair[1] for pair in pairs}  # list(model.named_parameters())
            return
        for number, entry in enumerate(value[:16]):
            yield from _candidates(entry, f"{where}.{number}".lstrip("."), depth + 1, seen)


def _rank(where: str) -> int:
    words = where.lower().replace(".", "_")
    return 0 if _AVERAGED.search(words) else 2 if _SECOND.search(words) else 1


def _size(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


def _listed(names: list[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:4])
    return f"{listed} {'are' if len(names) > 1 else 'is'}"


def _without_wrappers(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return _INNER.sub("", name)
