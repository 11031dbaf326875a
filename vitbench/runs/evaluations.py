"""The evaluations in a run's folder, as facts: `evaluations/SPLIT-STEP.json`. The rows beside them need numpy."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.runs.store import Run

_NAME = re.compile(r"(.+)-(\d{1,15})\.json")
OWN_SPLITS = ("test", "val", "validation", "train")
"""Splits of a run's own data; what is called otherwise is another split, or other data."""


Evaluation = TypeVar("Evaluation", "Scored", "ScoredLabels")


@dataclass(frozen=True)
class Scored:
    """One evaluation: of `pictures` of `split`, `correct` were right; `low` to `high` is the 95% interval of that."""

    file: Path
    split: str
    step: int
    root: str
    pictures: int
    correct: int
    accuracy: float
    low: float
    high: float
    mean_loss: float
    accuracy_top5: float
    classes: tuple[str, ...]
    document: dict[str, Any]

    @property
    def rows(self) -> Path:
        """The file with a row a picture."""
        return self.file.with_suffix(".npz")


def read_scored(file: Path) -> Scored:
    """Raises UserError for a file that is not an evaluation."""
    document = read_json_object(file, EVALUATION, allow_nan=True)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise UserError(f"{file.name} is not named as an evaluation is, SPLIT-STEP.json.")
    try:
        low, high = document["accuracy_interval_95"]
        return Scored(
            file=file,
            split=str(document.get("split", match[1])),
            step=int(document["step"]) if "step" in document else int(match[2]),
            root=str(document["root"]),
            pictures=int(document["pictures"]),
            correct=int(document["correct"]),
            accuracy=float(document["accuracy"]),
            low=float(low),
            high=float(high),
            mean_loss=float(document["mean_loss"]),
            accuracy_top5=float(document["accuracy_top5"]),
            classes=tuple(map(str, document["classes"])),
            document=document,
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{file.name} cannot be read as an evaluation: {error}.") from error


@dataclass(frozen=True)
class ScoredLabels:
    """One evaluation of several labels a picture; F1 and the exact match take each label from 0.5 on."""

    file: Path
    split: str
    step: int
    root: str
    pictures: int
    mean_average_precision: float
    macro_f1: float
    exact_match: float
    mean_loss: float
    classes: tuple[str, ...]
    document: dict[str, Any]

    @property
    def rows(self) -> Path:
        """The file with a row a picture."""
        return self.file.with_suffix(".npz")


def read_scored_labels(file: Path) -> ScoredLabels:
    """Raises UserError for a file that is not an evaluation of several labels a picture."""
    document = read_json_object(file, EVALUATION, allow_nan=True)
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise UserError(f"{file.name} is not named as an evaluation is, SPLIT-STEP.json.")
    try:
        return ScoredLabels(
            file=file,
            split=str(document.get("split", match[1])),
            step=int(document["step"]) if "step" in document else int(match[2]),
            root=str(document["root"]),
            pictures=int(document["pictures"]),
            mean_average_precision=float(document["mean_average_precision"]),
            macro_f1=float(document["macro_f1"]),
            exact_match=float(document["exact_match"]),
            mean_loss=float(document["mean_loss"]),
            classes=tuple(map(str, document["classes"])),
            document=document,
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{file.name} cannot be read as an evaluation of several labels: {error}.") from error


def evaluations(run: Run, step: int | None = None) -> tuple[list[Scored], list[str]]:
    """All that can be read, the test split first, then newest first; and a sentence for each that cannot.

    With `step`, of that checkpoint alone. None of a run whose pictures have several labels: see `label_evaluations`.
    """
    return ([], []) if _has_several_labels(run) else _listed(run, step, read_scored)


def label_evaluations(run: Run, step: int | None = None) -> tuple[list[ScoredLabels], list[str]]:
    """The same for a run whose pictures have several labels; none of another run."""
    return _listed(run, step, read_scored_labels) if _has_several_labels(run) else ([], [])


def _has_several_labels(run: Run) -> bool:
    try:
        return run.recipe().task == "multilabel"
    except (UserError, OSError):
        return False


def _listed(run: Run, step: int | None, read: Callable[[Path], Evaluation]) -> tuple[list[Evaluation], list[str]]:
    found, problems = [], []
    folder = run.folder / "evaluations"
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return [], []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is None or (step is not None and int(match[2]) != step):
            continue
        try:
            found.append(read(folder / name))
        except UserError as error:
            problems.append(str(error))
    order = {split: number for number, split in enumerate(OWN_SPLITS)}
    return sorted(found, key=lambda one: (order.get(one.split, len(order)), -one.step, one.split)), problems
