"""The evaluations in a run's folder, as facts: `evaluations/SPLIT-STEP.json`. The rows beside them need numpy."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.runs.store import Run

_NAME = re.compile(r"(.+)-(\d{1,15})\.json")
OWN_SPLITS = ("test", "val", "validation", "train")
"""Splits of a run's own data; what is called otherwise is another split, or other data."""


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
    """Raises UserError for a file that is no evaluation."""
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


def evaluations(run: Run, step: int | None = None) -> tuple[list[Scored], list[str]]:
    """All that can be read, the test split first, then newest first; and a sentence for each that cannot.

    With `step`, of that checkpoint alone.
    """
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
            found.append(read_scored(folder / name))
        except UserError as error:
            problems.append(str(error))
    order = {part: number for number, part in enumerate(OWN_SPLITS)}
    return sorted(found, key=lambda one: (order.get(one.split, len(order)), -one.step, one.split)), problems
