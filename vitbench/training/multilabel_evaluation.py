"""How good a network of several labels a picture is: a row a picture, and every figure derived from the rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.data.dataset import Dataset, evaluation_dataset
from vitbench.data.index import DataIndex
from vitbench.data.problems import Problem
from vitbench.files.parsing import to_json
from vitbench.files.writing import write_whole
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.ranks import ALONE, Ranks
from vitbench.statistics import average_precision
from vitbench.text import counted
from vitbench.training.evaluation import (
    MOST_CLASSES_AS_SCALARS,
    WORST_SHOWN,
    evaluated_split,
    labels_by_name,
    npz_bytes,
)
from vitbench.training.evaluation_pass import rows_of
from vitbench.training.precision import Precision

THRESHOLD = 0.5
"""The probability from which on a label counts, where no other one was chosen."""


def best_threshold(truth: np.ndarray, scores: np.ndarray) -> float:
    """The score from which on a label counts so that F1 is highest, of bool [N] and scores [N]; midway between two
    pictures, and 0.5 without a picture that has the label."""
    if not truth.any():
        return THRESHOLD
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    last = np.flatnonzero(np.diff(values, append=-np.inf))
    hits = np.cumsum(truth[order])[last]
    f1 = 2 * hits / (last + 1 + truth.sum())
    best = int(last[np.argmax(f1)])
    below = float(values[best + 1]) if best + 1 < len(values) else 0.0
    return (float(values[best]) + below) / 2


@dataclass(frozen=True)
class MultilabelEvaluation:
    """A row a picture. Numbers of classes count into `classes`; `thresholds` are those that the F1 figures use."""

    root: str
    classes: tuple[str, ...]
    file: np.ndarray
    """Text [N], relative to `root`."""
    truth: np.ndarray
    """bool [N, classes]."""
    probability: np.ndarray
    """float32 [N, classes], of each label by itself."""
    loss: np.ndarray
    """float64 [N], the mean binary cross-entropy over the classes, in nats; what is unknown adds nothing."""
    left_out: tuple[Problem, ...] = ()
    known: np.ndarray | None = None
    """bool [N, classes], where it is known whether a picture has the label; the rest counts for nothing. None: all."""

    @property
    def is_known(self) -> np.ndarray:
        """`known`, bool [N, classes]."""
        return np.ones_like(self.truth) if self.known is None else self.known

    def _of_class(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Truth and probability of the pictures of which it is known."""
        rows = self.is_known[:, number]
        return self.truth[rows, number], self.probability[rows, number]

    def __len__(self) -> int:
        return len(self.truth)

    def average_precisions(self) -> dict[str, float]:
        """Of each class that a picture of the split has."""
        known = np.flatnonzero(self.truth.any(axis=0))
        return {self.classes[k]: average_precision(*self._of_class(int(k))) for k in known}

    @property
    def mean_average_precision(self) -> float:
        """The mean of the classes' average precisions; 0 if no picture has a label."""
        found = list(self.average_precisions().values())
        return float(np.mean(found)) if found else 0.0

    def thresholds(self) -> dict[str, float]:
        """For each class the probability from which on its F1 on these pictures is highest."""
        return {name: best_threshold(*self._of_class(k)) for k, name in enumerate(self.classes)}

    def f1(self, threshold: float = THRESHOLD) -> tuple[float, float]:
        """Macro and micro F1 with one threshold for all classes; macro over classes with pictures or predictions."""
        said = (self.probability >= threshold) & self.is_known
        hits, total = (self.truth & said).sum(axis=0), self.truth.sum(axis=0) + said.sum(axis=0)
        known = total > 0
        macro = float(np.mean(2 * hits[known] / total[known])) if known.any() else 0.0
        return macro, float(2 * hits.sum() / total.sum()) if known.any() else 0.0

    @property
    def exact_match(self) -> float:
        """The share of pictures with all labels right, at 0.5, of those of which any label is known."""
        known = self.is_known
        right = (((self.probability >= THRESHOLD) == self.truth) | ~known).all(axis=1)[known.any(axis=1)]
        return float(right.mean()) if len(right) else 0.0

    def scalars(self) -> dict[str, float]:
        """What an evaluation logs; the average precision of each class too, unless there are very many."""
        macro, micro = self.f1()
        scalars = {
            "loss": float(self.loss.mean()),
            "mean_average_precision": self.mean_average_precision,
            "macro_f1": macro,
            "micro_f1": micro,
            "exact_match": self.exact_match,
        }
        if len(self.classes) <= MOST_CLASSES_AS_SCALARS:
            scalars |= {f"average_precision/{name}": value for name, value in self.average_precisions().items()}
        if self.left_out:
            scalars["left_out"] = float(len(self.left_out))
        return scalars

    def sentence(self) -> str:
        """The result in one line."""
        macro, micro = self.f1()
        line = (
            f"Mean average precision {100 * self.mean_average_precision:.1f}% over {len(self.average_precisions())} "
            f"labels of {len(self):,} pictures; at 0.5: F1 {macro:.3f} (each label alike), {micro:.3f} (each picture's "
            f"label alike), all labels right {self.exact_match:.1%}"
        )
        if open_labels := int((~self.is_known).sum()):
            line += f"; unknown, and no part of it: {counted(open_labels, 'label')}"
        gone = len(self.left_out)
        return f"{line}; left out, since they cannot be read any more: {counted(gone, 'picture')}" if gone else line

    def worst(self, count: int = WORST_SHOWN) -> list[dict[str, Any]]:
        """The pictures with the highest loss, with the labels that they have and those that they were given."""
        order = np.argsort(-self.loss, kind="stable")[:count]
        return [
            {
                "file": str(Path(self.root) / str(self.file[row])),
                "labels": self._named(self.truth[row]),
                "predicted": self._named(self.probability[row] >= THRESHOLD),
                "loss": float(self.loss[row]),
            }
            for row in order
        ]

    def _named(self, marks: np.ndarray) -> list[str]:
        return [self.classes[k] for k in np.flatnonzero(marks)]

    def document(self) -> dict[str, Any]:
        """Everything derived, as plain values."""
        macro, micro = self.f1()
        return {
            "task": "multilabel",
            "root": self.root,
            "pictures": len(self),
            "mean_average_precision": self.mean_average_precision,
            "macro_f1": macro,
            "micro_f1": micro,
            "exact_match": self.exact_match,
            "mean_loss": float(self.loss.mean()),
            "classes": list(self.classes),
            "positives": self.truth.sum(axis=0).tolist(),
            "known": self.is_known.sum(axis=0).tolist(),
            "average_precision": self.average_precisions(),
            "thresholds": self.thresholds(),
            "worst": self.worst(),
            "left_out": [{"file": problem.file, "reason": problem.reason} for problem in self.left_out],
        }

    def save(self, folder: Path, split: str, step: int) -> None:
        """Writes `SPLIT-STEP.npz`, the rows, and `SPLIT-STEP.json`, what follows from them."""
        arrays = {
            "file": self.file,
            "truth": self.truth,
            "known": self.is_known,
            "probability": self.probability,
            "loss": self.loss,
            "classes": np.array(self.classes),
            "root": np.array(self.root),
            "left_out": np.array([[problem.file, problem.reason] for problem in self.left_out], np.str_).reshape(-1, 2),
        }
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{split}-{step}.json", to_json({"split": split, "step": step} | self.document()))
        write_whole(folder / f"{split}-{step}.npz", npz_bytes(arrays))


def evaluate_multilabel(
    module: nn.Module,
    dataset: Dataset,
    truth: np.ndarray,
    known: np.ndarray,
    *,
    classes: tuple[str, ...],
    at_once: int,
    device: torch.device,
    precision: Precision | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> MultilabelEvaluation:
    """Runs `module`, in evaluation mode on `device`, over a dataset whose labels are `truth` bool [N, classes], where
    they are `known` bool [N, classes].

    Pictures that cannot be read any more are named in the result. Several processes divide the pictures, and all of
    them have the whole result.
    """
    target, counts = (torch.from_numpy(values).to(device) for values in (truth, known))
    labels = truth.shape[1]

    def scored(logits: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        wanted, weight = target[numbers].double(), counts[numbers].double()
        logits = logits[:, :labels]
        loss = F.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="none").mean(dim=1)
        return logits.sigmoid().float(), loss

    rows = rows_of(
        module,
        dataset,
        scored,
        labels,
        at_once=at_once,
        device=device,
        precision=precision,
        progress=progress,
        ranks=ranks,
    )
    probability, loss = rows.columns
    return MultilabelEvaluation(
        root=str(dataset.index.root),
        classes=classes[:labels],
        file=rows.files,
        truth=truth[rows.numbers],
        known=known[rows.numbers],
        probability=probability,
        loss=loss,
        left_out=rows.left_out,
    )


def evaluate_labels(
    network: Network,
    data: DataIndex,
    *,
    split: str | None = None,
    batch_size: int = 32,
    device: torch.device,
    progress: Progress = silent,
) -> MultilabelEvaluation:
    """A network of several labels on one split of a data set: `split`, else test, else val. Labels go by name.

    Raises UserError if there is no such split, or the data has labels that the network does not know.
    """
    split = evaluated_split(data, split)
    numbers = labels_by_name(network, data)
    dataset = evaluation_dataset(data, data.positions(split), network.preprocessing)
    truth = np.zeros((len(dataset), network.num_classes), dtype=bool)
    truth[:, numbers] = data.targets(dataset.positions)
    known = np.ones_like(truth)
    known[:, numbers] = data.known(dataset.positions)
    assert network.labels is not None
    return evaluate_multilabel(
        network.module.to(device).eval(),
        dataset,
        truth,
        known,
        classes=network.labels,
        at_once=batch_size,
        device=device,
        progress=progress,
    )
