"""A checkpoint read back into a training: every value is checked, so that a damaged one is known before the next step.

Files are read without executing anything: safetensors, and `torch.load(weights_only=True)`.
"""

import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from vitbench.errors import UserError
from vitbench.exhausted import is_out_of_memory
from vitbench.files.reading import WEIGHTS, MissingFile, check_file, open_file
from vitbench.runs.checkpoints import WEIGHTS_NAME
from vitbench.runs.status import Best
from vitbench.training.state import Training
from vitbench.training.task import HasExtraState

FORMAT = 1
STATE_NAME = "state.pt"
CHECKSUM = "weights_crc32"
"""The key of `state.pt` that tells whether a byte of the weights has changed; safetensors has no checksum."""
_DAMAGE = (
    SafetensorError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    ImportError,
    MemoryError,
)
"""What torch and safetensors raise on files with wrong bytes, and on values of other types than were written."""


class Damaged(UserError):
    """A checkpoint whose bytes or values are not what was written; the reason is a clause."""


class Incomplete(UserError):
    """A checkpoint that lacks a file; the reason is a clause."""


def restore(training: Training, folder: Path, step: int) -> None:
    """Sets `training` to the checkpoint of `step` in `folder`, to the bit.

    Raises Incomplete and Damaged, after which `training` is to be restored from another one, and UserError where the
    files may be good but cannot be read now (rights, the disk, memory), or were written by another version.
    """
    files = [folder / WEIGHTS_NAME, folder / STATE_NAME]
    for file in files:
        try:
            check_file(file, WEIGHTS)
        except MissingFile as error:
            raise Incomplete(f"it has no {file.name}.") from error
        except OSError as error:
            if file.exists() and not file.is_file():
                raise Damaged(f"{file.name} is not a regular file.") from error
            raise
    try:
        _check_zip(files[1])
        weights = load_file(files[0])
        state = torch.load(files[1], map_location="cpu", weights_only=True)
        counters = _counters(training, state, step)
        if state.get(CHECKSUM) not in (None, checksum(files[0])):
            raise Damaged(f"{WEIGHTS_NAME} is not what was written.")
        training.evaluated_module.load_state_dict(weights)
        if training.average is not None:
            training.plain_module.load_state_dict(state["weights"])
        _load_optimizer(training.optimizer, state["optimizer"])
        _load_scaler(training, state["scaler"])
        if isinstance(training.task, HasExtraState):
            training.task.load_extra_state(state["task"])
        _check_weights(training)
    except UserError:
        raise
    except _DAMAGE as error:
        if is_out_of_memory(error):
            raise UserError(f"There is not enough memory to resume from {folder}.") from error
        raise Damaged(_reason(error)) from error
    except OSError as error:
        raise UserError(f"The checkpoint {folder} cannot be read: {error.strerror or error}.") from error
    for name, value in counters.items():
        setattr(training, name, value)


def checksum(file: Path) -> int:
    """CRC-32 of a file's bytes. Raises OSError."""
    value = 0
    with open_file(file, WEIGHTS) as stream:
        while piece := stream.read(1 << 22):
            value = zlib.crc32(piece, value)
    return value


def _check_zip(file: Path) -> None:
    """torch writes a CRC-32 beside each tensor, and does not compare it when it reads."""
    with zipfile.ZipFile(file) as archive:
        bad = archive.testzip()
    if bad is not None:
        raise Damaged(f"{file.name} is not what was written.")


def _counters(training: Training, state: object, step: int) -> dict[str, object]:
    """The counters of a state, each in its range."""
    if not isinstance(state, Mapping) or "format" not in state:
        raise Damaged(f"{STATE_NAME} holds something else.")
    if state["format"] != FORMAT:
        raise UserError(f"It was written by another version of vitbench (format {state['format']!r}).")
    found = {name: state[name] for name in ("step", "evaluated_step", "evaluations_without_best")}
    found |= {name: state[name] for name in ("batch_size", "accumulate")}
    for name, value in found.items():
        lowest = 1 if name in ("batch_size", "accumulate") else 0
        if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
            raise Damaged(f"{name} is {str(value)[:40]!r}.")
    train = training.recipe.train
    if found["step"] != step or found["evaluated_step"] > step:
        raise Damaged(f"it is of step {found['step']}, evaluated at step {found['evaluated_step']}.")
    pictures = found["batch_size"] * found["accumulate"]
    if pictures != train.batch_size * train.accumulate:
        raise Damaged(f"its steps have {pictures} pictures, and the recipe's {train.batch_size * train.accumulate}.")
    try:
        best = Best.model_validate(state["best"]) if state["best"] is not None else None
    except ValidationError as error:
        raise Damaged("what it says of the best evaluation is not an evaluation.") from error
    if best is not None and not (0 <= best.step <= step and math.isfinite(best.value)):
        raise Damaged(f"the best evaluation is {best.value} at step {best.step:,}.")
    return found | {"best": best}


def _load_optimizer(optimizer: Optimizer, state: Any) -> None:
    """Each tensor of the state belongs to a weight, and has its shape or is a number."""
    for group, now in zip(state["param_groups"], optimizer.param_groups, strict=True):
        for name, value in now.items():
            if name != "params" and not _same_kind(group.get(name), value):
                raise Damaged(f"the optimizer's {name} is {str(group.get(name))[:40]!r}.")
    optimizer.load_state_dict(state)
    known = {id(weight): weight for group in optimizer.param_groups for weight in group["params"]}
    for weight, values in optimizer.state.items():
        if id(weight) not in known or not isinstance(values, Mapping):
            raise Damaged("the optimizer's state belongs to no weight.")
        for name, value in values.items():
            if isinstance(value, Tensor) and _is_not_finite(value):
                raise Damaged(f"the optimizer's {name} holds NaN or infinity.")
            if name in ("exp_avg", "exp_avg_sq", "momentum_buffer") and value is not None:
                if not isinstance(value, Tensor) or value.shape != weight.shape:
                    raise Damaged(f"the optimizer's {name} does not fit its weight.")
            elif not isinstance(value, Tensor | int | float | str | list | tuple | None):
                raise Damaged(f"the optimizer's {name} is not a number.")


def _same_kind(value: object, before: object) -> bool:
    """Whether a setting of the optimizer may have come to be `value`."""
    if isinstance(before, int | float) and not isinstance(before, bool):
        return isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    return before is None or isinstance(value, list | tuple if isinstance(before, list | tuple) else type(before))


def _load_scaler(training: Training, state: object) -> None:
    scaler = training.precision.scaler
    if not isinstance(state, dict):
        raise Damaged("the scale of the gradients is not a record.")
    scaler.load_state_dict(state)
    if scaler.is_enabled() and not (math.isfinite(scaler.get_scale()) and scaler.get_scale() > 0):
        raise Damaged(f"the scale of the gradients is {scaler.get_scale()}.")


def _check_weights(training: Training) -> None:
    """Buffers may be infinite (masks); NaN is in nothing that was trained."""
    modules: Iterable[nn.Module] = {training.evaluated_module, training.plain_module}
    for module in modules:
        for name, weight in module.named_parameters():
            if _is_not_finite(weight):
                raise Damaged(f"{name} holds NaN or infinity.")
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point() and bool(buffer.isnan().any()):
                raise Damaged(f"{name} holds NaN.")


def _is_not_finite(values: Tensor) -> bool:
    return values.is_floating_point() and not bool(values.isfinite().all())


def _reason(error: BaseException) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"{first[:200].removesuffix('.')}."
