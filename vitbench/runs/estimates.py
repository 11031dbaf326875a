"""What runs have been seen to take of a GPU's memory: one small file in the store for each kind of run.

The estimate before a launch writes it, and so does each worker that leaves in good order, which knows best.
"""

import hashlib
import json
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.writing import write_whole
from vitbench.recipe import Recipe

_FOLDER = "estimates"
_LARGEST = 2**50
"""Bytes; a number above it is damage."""


def known_memory(store: Path, recipe: Recipe) -> int:
    """Bytes that torch reserved on a GPU for such a run; 0 if none was measured yet."""
    try:
        memory = read_json_object(_file(store, recipe))["memory_bytes"]
    except (UserError, KeyError):
        return 0
    return memory if isinstance(memory, int) and 0 < memory <= _LARGEST else 0


def note_memory(store: Path, recipe: Recipe, memory_bytes: int, device: str) -> None:
    """Keeps what torch reserved on the GPU `device`, in words. On a store that cannot be written, nothing is kept."""
    file = _file(store, recipe)
    document = {"memory_bytes": memory_bytes, "device": device, "model": recipe.model.name}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(document) + "\n")
    except OSError:
        return  # a run goes on without it


def _file(store: Path, recipe: Recipe) -> Path:
    """Named by all that decides on the memory: the network, the batch, the number format, the optimizer."""
    train = recipe.train.model_dump(include={"batch_size", "amp", "compile", "deterministic"})
    decides = {
        "task": recipe.task,
        "model": recipe.model.model_dump(exclude={"pretrained", "weights"}),
        "train": train | {"ema": recipe.train.ema > 0},
        "only_head": recipe.train.head_epochs >= recipe.train.epochs,
        "mixing": max(recipe.data.mixup, recipe.data.cutmix) > 0,
        "optim": {"name": recipe.optim.name, "options": recipe.optim.options},
        "processes": recipe.launch.world,
        "caption": recipe.caption.model_dump() if recipe.task == "caption" else None,
    }
    if recipe.launch.world == 1:
        del decides["processes"]
    text = json.dumps(decides, sort_keys=True, default=str)
    return store / _FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
