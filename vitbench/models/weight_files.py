"""Weights on disk, read without ever running what is in them."""

import argparse
import datetime
import importlib
import pathlib
import pickle
import re
import struct
import types
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.files.reading import MIB, WEIGHTS, MissingFile, Unreadable, check_file, read_piece
from vitbench.models.other_files import what_it_is
from vitbench.models.reparametrised import made_whole
from vitbench.models.scaled_weights import scaled_back
from vitbench.models.state_dicts import StateDict, few, find_state_dict
from vitbench.nearest import perhaps_path
from vitbench.text import clean, shortened, size_in_words

_KEYS = re.compile(r'"([^"]+)"')
_SIZES = re.compile(r"size mismatch for (\S+): .*?Size\(\[([\d, ]*)\]\).*?Size\(\[([\d, ]*)\]\)")
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt", ".npz")


_GLOBAL = re.compile(r"[Uu]nsupported (?:global|class|operand):? (?:GLOBAL )?([\w.]+)")
DAMAGED = (
    *(EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError),
    *(AssertionError, MemoryError, ImportError, struct.error, zlib.error, zipfile.BadZipFile, pickle.PickleError),
)
"""What readers of weights raise on cut and altered files: torch's lets errors of its parsing through as they are."""
_PICKLE = b"\x80"
"""The first byte of pickles."""
_WHOLE = (torch.int8, torch.uint8)
_QUANTISED = re.compile(r"\.(SCB|qweight|qzeros|absmax|quant_map|weight_scale\w*|_packed_params\S*)$")
"""What bitsandbytes, GPTQ, AWQ, compressed-tensors and torch put beside quantised weights."""
_MAKERS = {
    "deepspeed": "It is a part of a DeepSpeed checkpoint; `python zero_to_fp32.py . FILE` in its folder joins them.",
    "torch.distributed": "It is one piece of a network that was split over processes; save it whole where it was made.",
}
"""By the class that a pickle asks for: what the file is, and what to do."""
_MOST_UNPACKED = 64 * MIB
_MOST_COMPRESSED = 4
"""How much smaller than its content an archive may be; weights are noise, which hardly shrinks."""
# What torch thinks of a pickle's form would be printed across a screen; whether it can be read is said here.
warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)


class _PlainDict:
    """What other dictionaries (defaultdict, Lightning's AttributeDict, yacs, EasyDict) are read as: a plain dict."""

    def __new__(cls, *_: object) -> Any:
        return {}


_NUMPY: Any = importlib.import_module("numpy._core.multiarray")
"""What numpy's own pickles call: one function that makes a number, one that makes an array."""
_NUMBERS: list[Any] = [type(np.dtype(code)) for code in np.typecodes["All"]]
"""numpy's types of numbers."""
_PATHS = ("pathlib", "pathlib._local")
"""Where Python keeps its paths, before and since 3.13."""
_VALUES: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    argparse.Namespace,
    types.SimpleNamespace,
    (_PlainDict, "collections.defaultdict"),
    *[list, dict, int, float, str, set],
    *[datetime.datetime, datetime.date, datetime.timedelta, datetime.timezone],
    *[np.ndarray, np.dtype, *_NUMBERS],
    *((_NUMPY.scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_NUMPY._reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((pathlib.PurePosixPath, f"{module}.{kind}Path") for module in _PATHS for kind in ("Posix", "PurePosix")),
    *((pathlib.PureWindowsPath, f"{module}.{kind}Path") for module in _PATHS for kind in ("Windows", "PureWindows")),
    (_PlainDict, "lightning_fabric.utilities.data.AttributeDict"),
    (_PlainDict, "pytorch_lightning.utilities.parsing.AttributeDict"),
    (_PlainDict, "lightning.fabric.utilities.data.AttributeDict"),
    (_PlainDict, "yacs.config.CfgNode"),
    (_PlainDict, "fvcore.common.config.CfgNode"),
    (_PlainDict, "easydict.EasyDict"),
]
"""What training scripts keep beside the weights, and what only holds values: none of these runs anything when read."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Name to tensor, on the CPU: the tensors of `read_state_dict`."""
    return read_state_dict(path).tensors


def read_state_dict(path: Path) -> StateDict:
    """The weights in a file, wherever a training script put them, without the wrappings of their names.

    Reads `.safetensors`, and what `torch.save` wrote with `weights_only=True`: a file that would run code is refused.
    Raises UserError if there is no such file, or no weights in it.
    """
    check_weight_file(path)
    saved = _read(path)
    state = find_state_dict(saved)
    if state is None:
        raise UserError(
            f"{path} holds no weights: it is {_described(saved)}. A weight file holds names and tensors, as"
            " torch.save(model.state_dict(), FILE) writes them."
        )
    return _in_single_precision(state, path)


def _in_single_precision(state: StateDict, path: Path) -> StateDict:
    """The weights as float32, in which networks compute here; another precision is said.

    Raises UserError for weights that are no plain numbers: quantised ones, and names without values.
    """
    state = made_whole(scaled_back(state, str(path)), str(path))
    matrices = [(name, tensor) for name, tensor in state.tensors.items() if tensor.dim() >= 2]
    quantised = [name for name, tensor in matrices if tensor.dtype in _WHOLE or tensor.is_quantized]
    quantised += [name for name in state.tensors if _QUANTISED.search(name)]
    if quantised:
        raise UserError(
            f"{path} holds quantised weights ({few(quantised)}), whose numbers mean nothing by themselves; save the"
            " network with its weights as floating-point numbers."
        )
    if not any(tensor.numel() for tensor in state.tensors.values()):
        raise UserError(
            f"{path} names {len(state.tensors)} weights and holds none of their numbers: they are spread over other"
            " files, as DeepSpeed's ZeRO-3 does; `python zero_to_fp32.py . FILE` in that folder joins them."
        )
    broken = [name for name, tensor in state.tensors.items() if not bool(tensor.float().isfinite().all())]
    if broken:
        state = state.noting(f"{len(broken)} of its weights hold numbers that are not finite: {few(broken)}.")
    kinds = {tensor.dtype for _, tensor in matrices if tensor.is_floating_point()} - {torch.float32}
    if not kinds:
        return state
    names = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
    plain = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.tensors.items()}
    return StateDict(plain, (*state.notes, f"The weights are stored as {names}; they compute as float32."))


def has_names_of_torch(path: Path) -> bool:
    """Whether an `.npz` holds arrays under PyTorch's names (`blocks.0.norm1.weight`), not JAX's with strokes.

    Raises as `check_weight_file` does.
    """
    check_weight_file(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return any("." in name for name in arrays.files) and not any("/" in name for name in arrays.files)
    except DAMAGED:
        return False


def check_weight_file(path: Path) -> None:
    """Raises UserError unless `path` is a regular file whose content is not larger than the file.

    torch's and numpy's archives may be compressed: 1 MB of them can ask for any amount of memory.
    """
    try:
        check_file(path, WEIGHTS)
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except MissingFile as error:
        raise UserError(f"There is no weight file {shortened(str(path))}{perhaps_path(path)}.") from error
    except Unreadable as error:
        hint = "; name the weight file in it" if path.is_dir() else ""
        raise UserError(f"{str(error).rstrip('.')}{hint}.") from error
    except DAMAGED:
        return  # no archive; whatever reads it says what it is
    if unpacked > _MOST_UNPACKED and unpacked > _MOST_COMPRESSED * path.stat().st_size:
        raise UserError(
            f"{path} would unpack to {size_in_words(unpacked)}, and was refused; ask for the weights as .safetensors."
        )


def mismatch(error: RuntimeError) -> str:
    """torch's many lines about keys that do not fit a network, as one sentence with the first few."""
    message, parts = str(error), []
    for start, end, what in (
        ("Missing key(s) in state_dict:", "Unexpected key(s)", "lacks"),
        ("Unexpected key(s) in state_dict:", "size mismatch", "has no place for"),
    ):
        if start in message:
            keys = _KEYS.findall(message.split(start, 1)[1].split(end, 1)[0])
            parts.append(f"{'it' if what == 'lacks' else 'the network'} {what} {few(keys)}")
    sizes = [
        f"{name} ({found.replace(', ', 'x')}, needed {needed.replace(', ', 'x')})"
        for name, found, needed in _SIZES.findall(message)
    ]
    if sizes:
        parts.append(f"shapes differ: {few(sizes)}")
    return "; ".join(parts) + "." if parts else message.strip().splitlines()[0]


def _read(path: Path) -> object:
    """What the file holds, read by what it is and not by what it is called."""
    head = read_piece(path, 0, 512, WEIGHTS)
    if not head:
        raise UserError(f"{path} is empty: 0 bytes.")
    if what := what_it_is(path, head):
        raise UserError(f"{path} is {what}")
    if path.suffix == ".npz":
        return _read_npz(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _read_safetensors(path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch_save(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read as arrays of numpy ({first_line(error)}).") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, *DAMAGED) as error:
        raise UserError(
            f"{path} cannot be read as safetensors ({first_line(error)}); the file is cut or damaged."
        ) from error


def _read_torch_save(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_VALUES):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _is_plain_pickle_refusal(error):
            raise UserError(_refusal(path, str(error))) from error
        raise UserError(f"{path} is not a weight file that torch can read ({first_line(error)}).") from error
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise UserError(
                f"{path} is a TorchScript program, which would run when it is read; where it was made, save"
                " model.state_dict() instead."
            ) from error
        raise UserError(f"{path} cannot be read ({first_line(error)}); the file is cut or damaged.") from error
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}); the file is cut or damaged.") from error


def _is_plain_pickle_refusal(error: pickle.UnpicklingError) -> bool:
    """torch says "Unsupported global", "Unsupported class" or "Unsupported operand" of a pickle that asks for more."""
    return "nsupported" in str(error) or "not an allowed global" in str(error).lower() or "GLOBAL" in str(error)


def _refusal(path: Path, message: str) -> str:
    """Why a pickle was refused: the class or function that it asks for, and what to ask its maker for."""
    asked = _GLOBAL.search(message)
    if asked and asked[1].isdigit() and read_piece(path, 0, 1, WEIGHTS) != _PICKLE:  # an operation of no pickle
        return f"{path} is no file that torch.save wrote: its first bytes mean nothing to torch."
    what = f" ({clean(asked[1])})" if asked else ""
    maker = next((words for package, words in _MAKERS.items() if asked and asked[1].startswith(package)), None)
    if maker:
        return f"{path} was refused: reading it would run code that is stored in it{what}. {maker}"
    return (
        f"{path} was refused: reading it would run code that is stored in it{what}. It may hold a whole model object or"
        " a script's own classes; where it was made, save the tensors alone: torch.save(model.state_dict(), FILE), or"
        " .safetensors."
    )


def _described(saved: object) -> str:
    """What a file holds instead of weights, in words."""
    if isinstance(saved, Mapping):
        names = few([repr(clean(str(name))) for name in saved])
        return f"a dictionary with {names}, and no tensor in it" if saved else "an empty dictionary"
    if isinstance(saved, Tensor):
        return f"a single tensor of {'x'.join(map(str, saved.shape))}"
    what = f"a {type(saved).__name__}"
    if not isinstance(saved, list | tuple):
        return what
    tensors = sum(isinstance(entry, Tensor) for entry in saved)
    inside = f"{tensors} of them tensors without names" if tensors else "and no tensor in it"
    return f"{what} of {len(saved)} entries, {inside}"


def first_line(error: Exception) -> str:
    """The first line of what an error says, short enough for a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(".")
