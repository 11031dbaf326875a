"""Checkpoints: a folder a step, whole or absent, read without executing anything.

`model.safetensors` holds the weights that count (the averaged ones, where there are any) under plain names,
`network.json` what they belong to, `state.pt` what else a resume needs. `names.json` says which step is the `last`,
which the `best`, and which were `kept` by request.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.adaptation import state_on_cpu
from vitbench.runs.files import sync_folder, write_whole
from vitbench.runs.status import Best
from vitbench.training.state import Training

FORMAT = 1
STATE_NAME = "state.pt"
WEIGHTS_NAME = "model.safetensors"


class Checkpoints:
    """The checkpoints of one run, for its worker, which is the only one who writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {}
        file = folder / "names.json"
        if file.exists():
            self.names = json.loads(file.read_text())
        self._clear()

    @property
    def last(self) -> int | None:
        """The step of the newest checkpoint."""
        return self.names.get("last")

    def path(self, step: int) -> Path:
        """The folder of a step."""
        return self.folder / f"step-{step:08d}"

    def save(self, training: Training, *, keep: bool = False) -> None:
        """Commits the state of `training`; the checkpoint before it stays until this one is whole.

        Raises UserError if it cannot be written (a full disk).
        """
        step, folder = training.step, self.path(training.step)
        with self._or_intact(step):
            if folder.exists():
                # It holds these very weights. Only what an evaluation has added is new.
                _write_state(folder / STATE_NAME, training)
            else:
                unfinished = folder.with_suffix(".tmp")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()  # without its parents: a run that was deleted does not come back
                _write_weights(unfinished / WEIGHTS_NAME, state_on_cpu(training.evaluated_module))
                training.task.network.write_network_json(unfinished)
                _sync_file(unfinished / "network.json")
                _write_state(unfinished / STATE_NAME, training)
                unfinished.rename(folder)
            sync_folder(self.folder)
            kept = sorted({*self.names.get("kept", []), *([step] if keep else [])})
            names = {"last": step, "kept": kept} | ({"best": training.best.step} if training.best else {})
            write_whole(self.folder / "names.json", json.dumps(names))
            self.names = names
        self._clear()

    def load(self, training: Training) -> None:
        """Sets `training` to the last checkpoint, to the bit. Raises UserError if it does not fit or is damaged."""
        assert self.last is not None
        folder = self.path(self.last)
        try:
            weights = load_file(folder / WEIGHTS_NAME)
            state = torch.load(folder / STATE_NAME, map_location="cpu", weights_only=True)
            if state["format"] != FORMAT:
                raise UserError(f"{folder} was written by another version of vitbench (format {state['format']}).")
            training.evaluated_module.load_state_dict(weights)
            if training.average is not None:
                training.weights.load_state_dict(state["weights"])
            training.optimizer.load_state_dict(state["optimizer"])
            training.precision.scaler.load_state_dict(state["scaler"])
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, EOFError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"The checkpoint {folder} cannot be resumed: {reason}") from error
        training.step, training.evaluated_step = state["step"], state["evaluated_step"]
        training.best = Best(**state["best"]) if state["best"] else None
        training.evaluations_without_best = state["evaluations_without_best"]
        training.batch_size, training.accumulate = state["batch_size"], state["accumulate"]

    @contextmanager
    def _or_intact(self, step: int) -> Iterator[None]:
        """Turns a failed write into one sentence, after taking away what was half written."""
        try:
            yield
        except (OSError, SafetensorError, RuntimeError) as error:
            shutil.rmtree(self.path(step).with_suffix(".tmp"), ignore_errors=True)
            (self.path(step) / f"{STATE_NAME}.tmp").unlink(missing_ok=True)
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            intact = f"that of step {self.last} is intact" if self.last is not None else "there is none before it"
            raise UserError(
                f"The checkpoint of step {step} cannot be written ({reason}); {intact}. "
                "Make room in the store and resume the run."
            ) from error

    def _clear(self) -> None:
        """Removes what no name points to, also what a killed worker left half-written."""
        named = {self.names.get("last"), self.names.get("best"), *self.names.get("kept", [])} - {None}
        wanted = {self.path(step).name for step in named}
        if not self.folder.is_dir():
            return
        for entry in self.folder.iterdir():
            if entry.name.startswith("step-") and entry.name not in wanted:
                shutil.rmtree(entry, ignore_errors=True)


def _write_weights(file: Path, weights: dict[str, Tensor]) -> None:
    """safetensors refuses tensors that share memory (tied weights), so each is written by itself."""
    seen: set[int] = set()
    apart = {}
    for name, weight in weights.items():
        apart[name] = weight.clone() if weight.data_ptr() in seen else weight
        seen.add(weight.data_ptr())
    save_file(apart, file)
    _sync_file(file)


def _write_state(file: Path, training: Training) -> None:
    """Tensors and plain values only."""
    state = {
        "format": FORMAT,
        "step": training.step,
        "evaluated_step": training.evaluated_step,
        "best": training.best.model_dump() if training.best else None,
        "evaluations_without_best": training.evaluations_without_best,
        "batch_size": training.batch_size,
        "accumulate": training.accumulate,
        "optimizer": training.optimizer.state_dict(),
        "scaler": training.precision.scaler.state_dict(),
        "weights": training.weights.state_dict() if training.average is not None else None,
    }
    temporary = file.with_name(f"{file.name}.tmp")
    with temporary.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(file)
    sync_folder(file.parent)


def _sync_file(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
