"""How good a classifier is: a row a picture, and every figure derived from the rows."""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitbench.data.dataset import Dataset, evaluation_dataset
from vitbench.data.index import DataIndex, open_recipe_data
from vitbench.data.problems import Problem
from vitbench.data.split import read_own_split, read_split
from vitbench.errors import UserError
from vitbench.files.parsing import to_json
from vitbench.files.reading import EVALUATION, check_file
from vitbench.files.writing import write_whole
from vitbench.models.network import Network
from vitbench.models.timm_networks import imagenet_numbers
from vitbench.progress import Progress, silent
from vitbench.ranks import ALONE, Ranks
from vitbench.runs.store import Run
from vitbench.statistics import wilson_interval
from vitbench.training.evaluation_pass import rows_of
from vitbench.training.precision import Precision

MOST_CLASSES_AS_SCALARS = 100
WORST_SHOWN = 64


@dataclass(frozen=True)
class Evaluation:
    """A row a picture. Numbers of classes count into `classes`."""

    root: str
    classes: tuple[str, ...]
    file: np.ndarray
    """Text [N], relative to `root`."""
    label: np.ndarray
    """int64 [N]."""
    top5: np.ndarray
    """int64 [N, min(5, classes)], the likeliest first."""
    probability: np.ndarray
    """float32 [N, min(5, classes)], of `top5`."""
    loss: np.ndarray
    """float64 [N], cross-entropy in nats."""
    batch_size: int
    """Of the report's average loss."""
    left_out: tuple[Problem, ...] = ()
    """Pictures of the split that could be read when the data was indexed, and cannot be any more: they have no row."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def correct(self) -> np.ndarray:
        """Whether the likeliest class is the right one, bool [N]."""
        return self.top5[:, 0] == self.label

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())

    @property
    def accuracy_top5(self) -> float:
        return float((self.top5 == self.label[:, None]).any(axis=1).mean())

    @property
    def mean_loss(self) -> float:
        """Mean cross-entropy a picture, in nats."""
        return float(self.loss.mean())

    @property
    def report_batch_mean_loss(self) -> float:
        """The student's "average loss": the sum of the batches' means, divided by the number of pictures."""
        starts = range(0, len(self), self.batch_size)
        return sum(float(self.loss[start : start + self.batch_size].mean()) for start in starts) / len(self)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval (low, high) of the accuracy (Wilson 1927), 0 to 1."""
        return wilson_interval(int(self.correct.sum()), len(self))

    def class_accuracy(self) -> dict[str, float]:
        """The accuracy of each class that has pictures."""
        total = np.bincount(self.label, minlength=len(self.classes))
        right = np.bincount(self.label[self.correct], minlength=len(self.classes))
        return {name: float(right[k] / total[k]) for k, name in enumerate(self.classes) if total[k]}

    @property
    def classes_without_pictures(self) -> list[str]:
        """Classes that no picture has, which means over classes leave out."""
        total = np.bincount(self.label, minlength=len(self.classes))
        return [name for name, count in zip(self.classes, total, strict=True) if not count]

    @property
    def mean_class_accuracy(self) -> float:
        """The mean of the classes' accuracies, over those that have pictures (balanced accuracy)."""
        return float(np.mean(list(self.class_accuracy().values())))

    def class_f1(self) -> dict[str, float]:
        """2 TP / (2 TP + FP + FN), 0 to 1, of each class that has pictures or predictions."""
        matrix = self.confusion()
        hits, labelled, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        known = np.flatnonzero(labelled + predicted)
        return {self.classes[k]: float(2 * hits[k] / (labelled[k] + predicted[k])) for k in known}

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1, over those that have pictures or predictions, as scikit-learn counts them."""
        return float(np.mean(list(self.class_f1().values())))

    def confusion(self) -> np.ndarray:
        """Pictures of class i that were taken for class j, int64 [classes, classes]."""
        matrix = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(matrix, (self.label, self.top5[:, 0]), 1)
        return matrix

    def worst(self, count: int = WORST_SHOWN) -> list[dict[str, Any]]:
        """The mistakes with the highest loss, with the files they were made on."""
        wrong = np.flatnonzero(~self.correct)
        chosen = wrong[np.argsort(-self.loss[wrong], kind="stable")][:count]
        return [
            {
                "file": str(Path(self.root) / str(self.file[row])),
                "label": self.classes[self.label[row]],
                "predicted": self.classes[self.top5[row, 0]],
                "probability": float(self.probability[row, 0]),
                "loss": float(self.loss[row]),
            }
            for row in chosen
        ]

    def scalars(self) -> dict[str, float]:
        """What an evaluation logs; the accuracy of each class too, unless there are very many."""
        scalars = {"loss": self.mean_loss, "accuracy": self.accuracy, "accuracy_top5": self.accuracy_top5}
        scalars |= {"mean_class_accuracy": self.mean_class_accuracy, "macro_f1": self.macro_f1}
        if len(self.classes) <= MOST_CLASSES_AS_SCALARS:
            scalars |= {f"class_accuracy/{name}": value for name, value in self.class_accuracy().items()}
        if self.left_out:
            scalars["left_out"] = float(len(self.left_out))
        return scalars

    def sentence(self) -> str:
        """The line that the student's program printed, with the loss that it meant: the mean a picture."""
        right, gone = int(self.correct.sum()), len(self.left_out)
        share = f"{right}/{len(self)} ({100 * self.accuracy:.1f}%)"
        line = f"Test set: Average loss: {self.mean_loss:.4f}, Accuracy: {share}"
        if not gone:
            return line
        return f"{line}; left out, since they cannot be read any more: {gone} of {len(self) + gone} pictures"

    def document(self) -> dict[str, Any]:
        """Everything derived, as plain values."""
        low, high = self.interval
        return {
            "root": self.root,
            "pictures": len(self),
            "correct": int(self.correct.sum()),
            "accuracy": self.accuracy,
            "accuracy_interval_95": [low, high],
            "accuracy_top5": self.accuracy_top5,
            "mean_class_accuracy": self.mean_class_accuracy,
            "macro_f1": self.macro_f1,
            "mean_loss": self.mean_loss,
            "report_batch_mean_loss": self.report_batch_mean_loss,
            "batch_size": self.batch_size,
            "class_accuracy": self.class_accuracy(),
            "class_f1": self.class_f1(),
            "classes": list(self.classes),
            "confusion": self.confusion().tolist(),
            "worst": self.worst(),
            "left_out": [{"file": problem.file, "reason": problem.reason} for problem in self.left_out],
        }

    def save(self, folder: Path, split: str, step: int) -> None:
        """Writes `SPLIT-STEP.npz`, the rows, and `SPLIT-STEP.json`, what follows from them."""
        arrays = {
            "file": self.file,
            "label": self.label,
            "top5": self.top5,
            "probability": self.probability,
            "loss": self.loss,
            "classes": np.array(self.classes),
            "root": np.array(self.root),
            "batch_size": np.array(self.batch_size),
            "left_out": np.array([[problem.file, problem.reason] for problem in self.left_out], np.str_).reshape(-1, 2),
        }
        folder.mkdir(exist_ok=True)
        write_whole(folder / f"{split}-{step}.json", to_json({"split": split, "step": step} | self.document()))
        write_whole(folder / f"{split}-{step}.npz", npz_bytes(arrays))


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """What `numpy.savez_compressed` writes, which cannot take an array called `file`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
    return content.getvalue()


def load_evaluation(file: Path) -> Evaluation:
    """What `Evaluation.save` wrote. Raises UserError if it cannot be read."""
    try:
        check_file(file, EVALUATION)
        with np.load(file, allow_pickle=False) as rows:
            return Evaluation(
                root=str(rows["root"]),
                classes=tuple(rows["classes"].tolist()),
                file=rows["file"],
                label=rows["label"],
                top5=rows["top5"],
                probability=rows["probability"],
                loss=rows["loss"],
                batch_size=int(rows["batch_size"]),
                left_out=tuple(Problem(str(file), str(reason)) for file, reason in rows["left_out"])
                if "left_out" in rows
                else (),
            )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError) as error:
        raise UserError(f"{file} is not an evaluation that can be read: {error}.") from error
    except (NotImplementedError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is not an evaluation that can be read: {error}.") from error


def evaluate_classifier(
    module: nn.Module,
    dataset: Dataset,
    *,
    classes: tuple[str, ...],
    batch_size: int,
    at_once: int | None = None,
    device: torch.device,
    precision: Precision | None = None,
    labels: np.ndarray | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Runs `module`, which is in evaluation mode on `device`, over a dataset.

    `labels` int64 [samples] replaces the dataset's own, where its classes count differently. Logits are compared in
    float32, and the loss is computed in float64. `batch_size` is that of the report's average loss, and of what is
    computed `at_once` where that is None. Pictures that cannot be read any more are named in the result. Several
    processes divide the pictures, and all of them have the whole result.
    """
    known = dataset.labels if labels is None else labels
    truth = torch.from_numpy(known).to(device)

    def scored(logits: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_probability = logits.log_softmax(1)
        best = log_probability.topk(min(5, len(classes)), dim=1)
        loss = F.nll_loss(log_probability, truth[numbers], reduction="none")
        return best.indices, best.values.exp().float(), loss

    rows = rows_of(
        module,
        dataset,
        scored,
        len(classes),
        at_once=at_once or batch_size,
        device=device,
        precision=precision,
        progress=progress,
        ranks=ranks,
    )
    top5, probability, loss = rows.columns
    return Evaluation(
        root=str(dataset.index.root),
        classes=classes,
        file=rows.files,
        label=known[rows.numbers],
        top5=top5,
        probability=probability,
        loss=loss,
        batch_size=batch_size,
        left_out=rows.left_out,
    )


def evaluate_network(
    network: Network,
    data: DataIndex,
    *,
    split: str | None = None,
    batch_size: int = 32,
    device: torch.device,
    progress: Progress = silent,
) -> Evaluation:
    """A network on one split of a data set: `split`, else test, else val, else all. Labels are matched by name.

    Raises UserError if there is no such split, or the data has classes that the network does not know.
    """
    split = evaluated_split(data, split)
    numbers = labels_by_name(network, data)
    dataset = evaluation_dataset(data, data.positions(split), network.preprocessing)
    assert network.labels is not None
    return evaluate_classifier(
        network.module.to(device).eval(),
        dataset,
        classes=network.labels,
        batch_size=batch_size,
        device=device,
        labels=numbers[dataset.labels],
        progress=progress,
    )


def evaluated_split(data: DataIndex, split: str | None) -> str:
    """The split to evaluate on: `split`, else test, else val, else the first. UserError if it has none such."""
    if not data.classes:
        raise UserError(f"{data.root} has no labels, so there is nothing to compare with.")
    if split is None:
        return next((name for name in ("test", "val") if name in data.splits), data.splits[0])
    if split not in data.splits:
        raise UserError(f"{data.root} has no split {split!r}; it has {', '.join(map(repr, data.splits))}.")
    return split


def open_own_data(run: Run, store: Path, progress: Progress = silent) -> DataIndex:
    """The data that a run was trained on, with the split that was drawn for it. Raises UserError if they changed."""
    data = open_recipe_data(run.recipe(), store, progress)
    split = run.folder / "split.csv"
    return read_split(data, split) if split.exists() else data


def open_own_split(run: Run, store: Path, split: str | None, progress: Progress = silent) -> tuple[DataIndex, str]:
    """One split of the data that a run was trained on, and a sentence on what changed since in the others.

    `split` None is test, else val. Raises UserError if this split changed.
    """
    data = open_recipe_data(run.recipe(), store, progress)
    file = run.folder / "split.csv"
    return read_own_split(data, file, split) if file.exists() else (data, "")


def labels_by_name(network: Network, data: DataIndex) -> np.ndarray:
    """For each class of the data its number in the network, int64. Raises UserError for one that it does not know.

    Classes of ImageNet may be called by their synsets.
    """
    if network.labels is None:
        raise UserError(f"{network.name} does not say what its {network.num_classes} classes are called.")
    known = {name: number for number, name in enumerate(network.labels)}
    unknown = [name for name in data.classes if name not in known]
    if unknown:
        known = imagenet_numbers(network.labels) | known
        unknown = [name for name in data.classes if name not in known]
    if unknown:
        some = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        raise UserError(
            f"{network.name} knows {len(known)} classes; {len(unknown)} of the {len(data.classes)} in {data.root} "
            f"are not among them: {some}."
        )
    return np.array([known[name] for name in data.classes], dtype=np.int64)
