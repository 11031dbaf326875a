"""Which checkpoints a run has, which is the last, which the best: one reader for workers, commands and screens.

`checkpoints/names.json` is an index: it says what the folders are, and never whether they are there. One that is
missing, damaged or out of date is rebuilt from the folders, and only what it names as `obsolete` may be deleted.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.reading import RECORD, MissingFile
from vitbench.files.writing import write_whole
from vitbench.runs.status import read_status

INDEX_NAME = "names.json"
WEIGHTS_NAME = "model.safetensors"
_STEP = re.compile(r"step-(\d{8,15})")


@dataclass(frozen=True)
class Index:
    """What the checkpoints of a run are, by step. `kept` were asked for by a person, or found without a name.

    `history` ones are spread over the run, to look back: weights without the state that a resume needs.
    `obsolete` ones have been replaced, and a killed worker did not get to delete them. `problem` says why this is not
    what names.json says; empty where it is.
    """

    last: int | None = None
    best: int | None = None
    kept: frozenset[int] = frozenset()
    history: frozenset[int] = frozenset()
    obsolete: frozenset[int] = frozenset()
    problem: str = ""

    @property
    def wanted(self) -> frozenset[int]:
        """The steps that have a name."""
        return self.kept.union(self.history, (step for step in (self.last, self.best) if step is not None))

    @property
    def without_state(self) -> frozenset[int]:
        """The steps of which only the weights are kept."""
        return self.history - self.kept - {self.last, self.best}


def step_folder(folder: Path, step: int) -> Path:
    """The checkpoint of a step in the folder `checkpoints/` of a run."""
    return folder / f"step-{step:08d}"


def checkpoint_steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint with weights, in order; what a killed worker left half-written has none."""
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return []
    steps = [int(match[1]) for name in names if (match := _STEP.fullmatch(name))]
    return sorted(step for step in steps if _is_file(step_folder(folder, step) / WEIGHTS_NAME))


def read_index(folder: Path) -> Index:
    """The index of the folder `checkpoints/` of a run, rebuilt where names.json does not fit what is there."""
    steps = checkpoint_steps(folder)
    try:
        document = read_json_object(folder / INDEX_NAME, RECORD)
        last, kept, obsolete = _step(document, "last", steps), _steps(document, "kept"), _steps(document, "obsolete")
        history = _steps(document, "history")
    except MissingFile:
        return _rebuilt(folder, steps, f"{INDEX_NAME} is missing" if steps else "")
    except UserError as error:
        return _rebuilt(folder, steps, str(error).removeprefix(f"{folder}/").removesuffix("."))
    here = frozenset(steps)
    problems = []
    try:
        best = _step(document, "best", steps) if document.get("best") is not None else None
    except UserError as error:
        best = None
        problems.append(str(error).removesuffix("."))
    if best is not None and best > last:
        problems.append(f"{INDEX_NAME} names step {best} as the best, and the older step {last} as the last")
        kept, last = kept | {last}, best
    known = {last, best} | kept | history | obsolete
    unknown = here - known
    if unknown:
        # A worker may be killed between the checkpoint and its name; an index may also come from a backup.
        problems.append(f"{INDEX_NAME} does not mention {_listed(unknown)}")
        kept |= unknown | {last}
        last = max(last, *unknown)
        kept -= {last}
    obsolete = (obsolete & here) - {last, best} - kept - history
    return Index(last, best, kept & here, history & here, obsolete, "; ".join(problems))


def write_index(folder: Path, index: Index) -> None:
    """Replaces names.json; something in its place that is not a file is moved aside. Raises OSError."""
    file = folder / INDEX_NAME
    if os.path.lexists(file) and not _is_file(file):
        file.rename(set_aside_name(file))
    lists = {"kept": index.kept, "history": index.history, "obsolete": index.obsolete}
    document: dict[str, Any] = {"last": index.last, **{name: sorted(steps) for name, steps in lists.items()}}
    write_whole(file, to_json(document | ({"best": index.best} if index.best is not None else {})))


def set_aside_name(path: Path) -> Path:
    """A free name beside a damaged file or folder, which nothing reads: `step-00000012.damaged`."""
    number, name = 1, path.with_name(f"{path.name}.damaged")
    while os.path.lexists(name):
        number += 1
        name = path.with_name(f"{path.name}.damaged-{number}")
    return name


def _rebuilt(folder: Path, steps: list[int], problem: str) -> Index:
    """All that is there is kept: which were only on the way, nobody knows any more."""
    if not steps:
        return Index(problem=problem)
    best = None
    with suppress(OSError):
        status = read_status(folder.parent)
        best = status.best.step if status.best is not None and status.best.step in steps else None
    return Index(steps[-1], best, frozenset(steps) - {steps[-1]}, problem=problem)


def _step(document: Mapping[str, Any], name: str, steps: Iterable[int]) -> int:
    value = document.get(name)
    if value is None or not _is_step(value):
        raise UserError(f"{INDEX_NAME} names no step as the {name}.")
    if value not in steps:
        raise UserError(f"{INDEX_NAME} names step {value} as the {name}, which is not there.")
    return int(value)


def _steps(document: Mapping[str, Any], name: str) -> frozenset[int]:
    values = document.get(name, [])
    if not isinstance(values, list) or not all(map(_is_step, values)):
        raise UserError(f"{INDEX_NAME} has no list of steps as {name}.")
    return frozenset(values)


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_file(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except (OSError, ValueError):
        return False


def _listed(steps: Iterable[int]) -> str:
    several = sorted(steps)
    return ("steps " if len(several) > 1 else "step ") + ", ".join(map(str, several))
