"""Weights on disk, read without ever running what is in them."""

import argparse
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vitbench.errors import UserError

_NESTS = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where training scripts keep the weights beside their optimizer; averaged weights come first, as in timm."""
_WRAPPERS = ("_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put before each name, in either order."""
_KEYS = re.compile(r'"([^"]+)"')
_SIZES = re.compile(r"size mismatch for (\S+): .*?Size\(\[([\d, ]*)\]\).*?Size\(\[([\d, ]*)\]\)")
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".npz")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name to tensor, on the CPU, with the wrappings of training scripts taken off.

    Reads `.safetensors`, and what `torch.save` wrote with `weights_only=True`: a file that would run code is refused.
    Raises UserError if there is no such file, or no weights in it.
    """
    if not path.exists():
        raise UserError(f"There is no weight file {path}.")
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the weight file in it.")
    if path.suffix == ".safetensors":
        state: object = _read_safetensors(path)
    else:
        state = _read_torch_save(path)
    tensors = {name: tensor for name, tensor in _unnested(state).items() if isinstance(tensor, Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no tensors, so it is no weight file.")
    return {_unwrapped(name): tensor for name, tensor in tensors.items()}


def mismatch(error: RuntimeError) -> str:
    """torch's many lines about keys that do not fit a network, as one sentence with the first few."""
    message, parts = str(error), []
    for start, end, what in (
        ("Missing key(s) in state_dict:", "Unexpected key(s)", "lacks"),
        ("Unexpected key(s) in state_dict:", "size mismatch", "has no place for"),
    ):
        if start in message:
            keys = _KEYS.findall(message.split(start, 1)[1].split(end, 1)[0])
            parts.append(f"{'it' if what == 'lacks' else 'the network'} {what} {_few(keys)}")
    sizes = [
        f"{name} ({found.replace(', ', 'x')}, needed {needed.replace(', ', 'x')})"
        for name, found, needed in _SIZES.findall(message)
    ]
    if sizes:
        parts.append(f"shapes differ: {_few(sizes)}")
    return "; ".join(parts) + "." if parts else message.strip().splitlines()[0]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as safetensors ({first_line(error)}); the file is cut or damaged."
        ) from error


def _read_torch_save(path: Path) -> object:
    try:
        # timm's training script saves its arguments beside the weights; a Namespace only holds values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _is_plain_pickle_refusal(error):
            raise UserError(
                f"{path} was refused: reading it would run code that is stored in it; ask for the weights as"
                " .safetensors, or for a file with tensors only."
            ) from error
        raise UserError(f"{path} is no weight file that torch can read ({first_line(error)}).") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}); the file is cut or damaged.") from error


def _is_plain_pickle_refusal(error: pickle.UnpicklingError) -> bool:
    """torch says "Unsupported global", "Unsupported class" or "Unsupported operand" of a pickle that asks for more."""
    return "nsupported" in str(error) or "not an allowed global" in str(error).lower() or "GLOBAL" in str(error)


def _unnested(state: object) -> Mapping[str, object]:
    """The mapping of names to tensors inside what a training script saved."""
    while isinstance(state, Mapping):
        nest = next((key for key in _NESTS if isinstance(state.get(key), Mapping)), None)
        if nest is None:
            return {str(name): value for name, value in state.items()}
        state = state[nest]
    return {}


def _unwrapped(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.removeprefix("_orig_mod.").removeprefix("module.")
    return name


def first_line(error: Exception) -> str:
    """The first line of what an error says, short enough for a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".")
