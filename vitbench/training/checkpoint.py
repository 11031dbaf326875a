"""Checkpoints: a folder a step, whole or absent, read without executing anything.

`model.safetensors` holds the weights that count (the averaged ones, where there are any) under plain names,
`network.json` what they belong to, `state.pt` what else a resume needs. `names.json` says which step is the `last`,
which the `best`, which were `kept` by request, and of which only the weights stay as `history`
(see `vitbench.runs.checkpoints`).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from vitbench.errors import UserError
from vitbench.files.disk_errors import disk_error
from vitbench.files.writing import clear_folder, sync_folder, temporary_folder, writing
from vitbench.models.adaptation import state_on_cpu
from vitbench.runs.checkpoints import (
    WEIGHTS_NAME,
    Index,
    checkpoint_steps,
    read_index,
    set_aside_name,
    step_folder,
    write_index,
)
from vitbench.training.history import history_size, thinned
from vitbench.training.resuming import CHECKSUM, FORMAT, STATE_NAME, Damaged, Incomplete, checksum, restore
from vitbench.training.state import Training
from vitbench.training.task import HasExtraState

__all__ = ["STATE_NAME", "WEIGHTS_NAME", "Checkpoints"]


class Checkpoints:
    """The checkpoints of one run, for its worker, which is the only one who writes them.

    `remarks` says what was not as it should be, a sentence each, for the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = read_index(folder)
        self.remarks: list[str] = []
        if self.index.problem:
            count = len(checkpoint_steps(folder))
            named = f", step {self.index.last:,} as the last" if self.index.last is not None else ""
            self.remarks.append(
                f"{self.index.problem}: the index of checkpoints is rebuilt from the {count} that are there{named}; "
                "none is deleted."
            )
        self._own: int | None = None
        """The step whose folder holds what this worker loaded or saved last."""
        self._tidied = False

    @property
    def last(self) -> int | None:
        """The step of the newest checkpoint."""
        return self.index.last

    def path(self, step: int) -> Path:
        """The folder of a step."""
        return step_folder(self.folder, step)

    def save(self, training: Training, *, keep: bool = False) -> None:
        """Commits the state of `training`; the checkpoint before it stays until this one is whole.

        Raises UserError if it cannot be written (a full disk, a run folder that was deleted).
        """
        step, folder = training.step, self.path(training.step)
        with self._or_intact(step):
            self.folder.mkdir(exist_ok=True)  # not what is above it: a run that was deleted does not come back
            if folder.exists() and self._own == step:
                # It holds these very weights. Only what an evaluation has added is new.
                _write_state(folder / STATE_NAME, training, folder / WEIGHTS_NAME)
            else:
                if os.path.lexists(folder):
                    folder.rename(set_aside_name(folder))
                with temporary_folder(folder) as unfinished:
                    _write_weights(unfinished / WEIGHTS_NAME, state_on_cpu(training.evaluated_module))
                    training.task.network.write_network_json(unfinished)
                    _write_state(unfinished / STATE_NAME, training, unfinished / WEIGHTS_NAME)
                    unfinished.rename(folder)
            sync_folder(self.folder)
            index = self._after_save(training, keep)
            write_index(self.folder, index)
            self.index, self._own = index, step
        self._clear()

    def load(self, training: Training) -> None:
        """Sets `training` to the last checkpoint, to the bit; if that is damaged, to the newest one that is whole.

        Damaged ones are set aside under another name, and `remarks` names them. Raises UserError if none is whole,
        and then changes nothing on disk.
        """
        assert self.last is not None
        failures: dict[int, UserError] = {}
        before = [step for step in reversed(checkpoint_steps(self.folder)) if step != self.last]
        for step in (self.last, *(step for step in before if step not in self.index.without_state)):
            try:
                restore(training, self.path(step), step)
            except (Damaged, Incomplete) as error:
                failures[step] = error
                continue
            self._own = step
            self._set_aside(failures, step)
            if training.best is not None and not (self.path(training.best.step) / WEIGHTS_NAME).is_file():
                self.remarks.append(f"The best checkpoint, that of step {training.best.step:,}, is no longer there.")
            return
        first = str(failures[self.last]).removesuffix(".")
        others = f" Nor can the {len(failures) - 1} before it." if len(failures) > 1 else ""
        raise UserError(f"The checkpoint {self.path(self.last)} cannot be resumed: {first}.{others}")

    def _set_aside(self, failures: dict[int, UserError], step: int) -> None:
        for bad, error in failures.items():
            reason, folder = str(error).removesuffix("."), self.path(bad)
            if isinstance(error, Incomplete):
                self.remarks.append(f"The checkpoint of step {bad:,} cannot be resumed ({reason}).")
                continue
            aside = set_aside_name(folder)
            try:
                folder.rename(aside)
            except OSError as problem:
                raise UserError(
                    f"The checkpoint {folder} is damaged ({reason}), and cannot be set aside: {problem.strerror}."
                ) from problem
            self.remarks.append(
                f"The checkpoint of step {bad:,} is damaged ({reason}); it was set aside as {aside.name}."
            )
        if failures:
            self.remarks.append(f"The newest intact checkpoint is that of step {step:,}.")
            left = frozenset(checkpoint_steps(self.folder)) - self.index.obsolete
            # What is newer in the history is trained anew, and must not stand in the way of that.
            newer = frozenset(later for later in self.index.history & left if later > step)
            history = (self.index.history & left) - newer
            kept = left - {step} - history - newer
            self.index = replace(
                self.index, last=step, best=None, kept=kept, history=history, obsolete=self.index.obsolete | newer
            )

    def _after_save(self, training: Training, keep: bool) -> Index:
        step, here = training.step, frozenset(checkpoint_steps(self.folder))
        best = training.best.step if training.best and training.best.step in here else None
        kept = (self.index.kept | ({step} if keep else frozenset())) & here
        weights = (self.path(step) / WEIGHTS_NAME).stat().st_size
        history = thinned((self.index.history | {step}) & here, history_size(training.recipe.train, weights))
        index = Index(last=step, best=best, kept=kept, history=history)
        return replace(index, obsolete=((self.index.wanted | self.index.obsolete) & here) - index.wanted)

    @contextmanager
    def _or_intact(self, step: int) -> Iterator[None]:
        """Turns a failed write into one sentence; what was half written is gone by then."""
        try:
            yield
        except (OSError, SafetensorError, RuntimeError) as error:
            if not self.folder.parent.is_dir():
                raise UserError(
                    f"The run folder {self.folder.parent} is gone, so step {step:,} was not saved."
                ) from error
            refused = disk_error(error)
            reason = os.strerror(refused.errno) if refused is not None and refused.errno else str(error)
            intact = f"that of step {self.last:,} is intact" if self.last is not None else "there is none before it"
            raise UserError(
                f"The checkpoint of step {step:,} cannot be written ({reason}); {intact}. "
                "Make room in the store and resume the run."
            ) from error

    def _clear(self) -> None:
        """After a save: removes what it has replaced, and what a killed worker left half-written."""
        for step in self.index.obsolete:
            (self.path(step) / WEIGHTS_NAME).unlink(
                missing_ok=True
            )  # first: without weights it is none, whatever stays
            shutil.rmtree(self.path(step), ignore_errors=True)
        for step in self.index.without_state:
            (self.path(step) / STATE_NAME).unlink(missing_ok=True)
        if not self._tidied:
            self._tidied = True
            for folder in (self.folder, *map(self.path, checkpoint_steps(self.folder))):
                clear_folder(folder)


def _write_weights(file: Path, weights: dict[str, Tensor]) -> None:
    """safetensors refuses tensors that share memory (tied weights), so each is written by itself."""
    seen: set[int] = set()
    apart = {}
    for name, weight in weights.items():
        apart[name] = weight.clone() if weight.data_ptr() in seen else weight
        seen.add(weight.data_ptr())
    save_file(apart, file)
    _sync_file(file)


def _write_state(file: Path, training: Training, weights: Path) -> None:
    """Tensors and plain values only, with a checksum of the file of the weights."""
    state = {
        "format": FORMAT,
        CHECKSUM: checksum(weights),
        "step": training.step,
        "evaluated_step": training.evaluated_step,
        "best": training.best.model_dump() if training.best else None,
        "evaluations_without_best": training.evaluations_without_best,
        "batch_size": training.batch_size,
        "accumulate": training.accumulate,
        "optimizer": training.optimizer.state_dict(),
        "scaler": training.precision.scaler.state_dict(),
        "weights": training.plain_module.state_dict() if training.average is not None else None,
        "task": training.task.extra_state() if isinstance(training.task, HasExtraState) else None,
    }
    with writing(file) as stream:
        torch.save(state, stream)


def _sync_file(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
