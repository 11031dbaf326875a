"""A named network evaluated on the pictures that a person means; of a run the result stays in its folder."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vitbench.data.index import DataIndex, open_index, with_several
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store
from vitbench.text import split_name
from vitbench.training.chosen import Chosen, open_chosen
from vitbench.training.evaluation import Evaluation, evaluate_network, evaluated_split, open_own_split
from vitbench.training.memory import memory_told
from vitbench.training.multilabel_evaluation import MultilabelEvaluation, evaluate_labels


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, the data and the split of them that it was made on.

    `file` in the run's folder keeps it; None without a run.
    """

    evaluation: Evaluation | MultilabelEvaluation
    data: DataIndex
    split: str
    file: Path | None
    changed: str = ""
    """What is no longer as it was when the run began, in splits that were not evaluated; a sentence."""

    @property
    def where(self) -> str:
        """What the student's sentence hides: that "Test set" was another split. Empty where it was the test split."""
        return "" if self.split == "test" else f"on the {split_name(self.split)} of {self.data.root}"

    def document(self) -> dict[str, Any]:
        """What `file` holds; of a network that comes from no run without its split and step."""
        return read_json_object(self.file, EVALUATION, allow_nan=True) if self.file else self.evaluation.document()


def evaluate(
    reference: str,
    store: Path,
    *,
    data: str | None = None,
    layout: str = "",
    split: str | None = None,
    batch_size: int | None = None,
    classes: str | None = None,
    device: torch.device,
    progress: Progress = silent,
) -> Evaluated:
    """The network that `reference` names on `data`, or without it on its run's own; `split` as in `evaluate_network`.

    `layout` is how a person said that `data` is read, `classes` a file that names the network's classes.
    Of a run `evaluations/SPLIT-STEP.json` and `.npz` are written, as
    its worker writes them at the end. Raises UserError if network, data and split do not fit each other, and if the
    result cannot be kept.
    """
    chosen = open_chosen(
        reference, Store(store), device=device, batch_size=batch_size, classes=classes, progress=progress
    )
    changed = ""
    if data:
        layout = with_several(layout) if chosen.network.multilabel else layout
        index = open_index(data, layout=layout, store=store, progress=progress)
    elif chosen.run is not None:
        index, changed = open_own_split(chosen.run, store, split, progress)
    else:
        raise UserError(f"Name the pictures to evaluate {reference} on: --data DIR.")
    split = evaluated_split(index, split)
    size = chosen.batch_size
    with memory_told(f"{size} pictures at once are too many for {chosen.device}; give a smaller --batch-size"):
        evaluate_split = evaluate_labels if chosen.network.multilabel else evaluate_network
        evaluation = evaluate_split(
            chosen.network, index, split=split, batch_size=size, device=chosen.device, progress=progress
        )
    name = _other_split(index, split) if data else split
    return Evaluated(evaluation, index, split, _kept(evaluation, chosen, name), changed)


def _kept(evaluation: Evaluation | MultilabelEvaluation, chosen: Chosen, split: str) -> Path | None:
    if chosen.run is None:
        return None
    step = int(chosen.network.tag.rpartition("@")[2])
    folder = chosen.run.folder / "evaluations"
    try:
        evaluation.save(folder, split, step)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{evaluation.sentence()}, but this cannot be kept in {folder}: {reason}.") from error
    return folder / f"{split}-{step}.json"


def _other_split(data: DataIndex, split: str) -> str:
    """A name for a split of data that are not the run's: readable, and another one when the data have changed."""
    name = re.sub(r"[^\w.]+", "_", data.root.name).strip("._") or "pictures"
    return "_".join(filter(None, [name, data.fingerprint[:6], split]))
