"""The weights in a folder that another library saved: one file, or several that belong together."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION, read_text
from vitbench.models.state_dicts import StateDict, few
from vitbench.models.weight_files import read_state_dict
from vitbench.text import clean

_NAMES = (
    *("model.safetensors", "pytorch_model.bin", "model.pth", "model.pt"),
    *("open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
)
_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
_OTHER = re.compile(r"optim|sched|scaler|rng_state|training_args|trainer_state|random_states|adapter_|ema_")
"""Files of a training beside the weights."""
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
_INDEX = re.compile(r".+\.index(\.\w+)?\.json")
_SIGNS = {
    "adapter_config.json": "holds the adapters of a LoRA, not the network that they change: merge them into it (peft's"
    " merge_and_unload), and save that.",
    ".metadata": "holds a checkpoint of torch.distributed in pieces: `python -m"
    " torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE` joins them.",
    "zero_to_fp32.py": "holds a DeepSpeed checkpoint in pieces: `python zero_to_fp32.py . FILE` in that folder joins"
    " them.",
    "tf_model.h5": "holds weights of TensorFlow only; load it with from_tf=True, and save it again.",
    "flax_model.msgpack": "holds weights of Flax only; load it with from_flax=True, and save it again.",
    "saved_model.pb": "holds a program of TensorFlow, and no weights of PyTorch.",
}
"""What tells that a folder holds something else, and what to do about it."""


def what_else(folder: Path) -> str | None:
    """What a folder holds that is no network to open, in words; None if nothing is known of it."""
    return next((what for sign, what in _SIGNS.items() if (folder / sign).exists()), None)


def snapshot_of(folder: Path) -> Path:
    """The folder with the files, where `folder` is one of the hub's cache (`models--NAME/snapshots/COMMIT/`): that of
    the branch main, or the only one. Raises UserError if several could be meant."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir() or (folder / "config.json").exists():
        return folder
    there = sorted(one.name for one in snapshots.iterdir() if one.is_dir())
    main = folder / "refs" / "main"
    # A name from outside never leads out of the folder.
    commit = Path(read_text(main, DESCRIPTION).strip()).name if main.is_file() else ""
    if commit in there:
        return snapshots / commit
    if len(there) != 1:
        raise UserError(f"{snapshots} holds {len(there)} networks ({clean(few(there))}); name one of them.")
    return snapshots / there[0]


def read_weights_of(folder: Path) -> StateDict:
    """The weights of a folder: under a usual name, in pieces with or without an index, or in its only weight file.

    Raises UserError if there are none, if pieces are missing, or if several files could be meant.
    """
    files = sorted(file.name for file in folder.iterdir() if file.suffix in _SUFFIXES)
    if whole := next((name for name in _NAMES if name in files), None):
        return read_state_dict(folder / whole)
    indexes = sorted(file.name for file in folder.iterdir() if _INDEX.fullmatch(file.name))
    # Of two indexes, that of safetensors.
    if indexes:
        return _joined(folder, _indexed(folder / min(indexes, key=lambda name: "safetensors" not in name)))
    files = [name for name in files if not _OTHER.search(name)]
    shards = [match for name in files if (match := _SHARD.fullmatch(name))]
    if shards and len(shards) == len(files):
        return _joined(folder, _complete(folder, shards))
    if len(files) == 1:
        return read_state_dict(folder / files[0]).noting(f"The weights are those in {clean(files[0])}.")
    if files:
        raise UserError(f"{folder} holds several files with weights: {clean(few(files))}; name one of them.")
    if other := what_else(folder):
        raise UserError(f"{folder} {other}")
    beside = "a config.json but " if (folder / "config.json").exists() else ""
    raise UserError(f"{folder} has {beside}none of the files with weights: {', '.join(_NAMES)}.")


def holds_weights(folder: Path) -> bool:
    """Whether there are files with weights in a folder, whatever network they are of."""
    return any(file.suffix in _SUFFIXES and not _OTHER.search(file.name) for file in folder.iterdir())


def _indexed(index: Path) -> list[str]:
    """The files that an index lists."""
    shards = read_json_object(index, DESCRIPTION).get("weight_map")
    if not isinstance(shards, Mapping):
        raise UserError(f"{index} has no weight_map, which lists the files with the weights.")
    # A name from outside never leads out of the folder.
    return sorted({Path(str(file)).name for file in shards.values()})


def _complete(folder: Path, shards: list[re.Match[str]]) -> list[str]:
    """The names of all pieces, which count themselves: `model-00001-of-00002.safetensors`."""
    sets = {(match[1], match[3], match[4]) for match in shards}
    if len(sets) > 1:
        raise UserError(f"{folder} holds the pieces of several networks: {clean(few([m[0] for m in shards]))}.")
    (stem, count, suffix) = sets.pop()
    names = [f"{stem}-{number:05}-of-{count}{suffix}" for number in range(1, min(int(count), 10_000) + 1)]
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise UserError(f"{folder} lacks pieces of the weights: {clean(few(missing))}.")
    return names


def _joined(folder: Path, names: list[str]) -> StateDict:
    tensors: dict[str, Tensor] = {}
    notes: list[str] = []
    for name in names:
        state = read_state_dict(folder / name)
        tensors |= state.tensors
        notes += [note for note in state.notes if note not in notes]
    return StateDict(tensors, tuple(notes))
