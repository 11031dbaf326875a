"""An evaluation as the screens read it: confusions and worst mistakes, from the JSON beside the rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vitbench import text
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION, PICTURE, Unreadable, open_file

_LARGEST_PREVIEW = 512


@dataclass(frozen=True)
class Mistake:
    """A picture that was taken for something else, with much confidence."""

    file: Path
    label: str
    predicted: str
    probability: float
    loss: float


@dataclass(frozen=True, eq=False)
class ShownEvaluation:
    """`confusion` int64 [classes, classes]: pictures of the row's class that were taken for the column's."""

    split: str
    step: int
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    worst: tuple[Mistake, ...]
    accuracy: float
    correct: int
    pictures: int

    def shares(self) -> NDArray[np.float64]:
        """The confusion as shares of each row; rows without pictures are 0."""
        totals = self.confusion.sum(axis=1, keepdims=True)
        return np.divide(self.confusion, totals, out=np.zeros(self.confusion.shape), where=totals > 0)

    def pairs(self, count: int = 50) -> list[tuple[int, int, int]]:
        """The most frequent confusions as (class, taken for, pictures), most first."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        rows, columns = np.unravel_index(order, wrong.shape)
        return [(int(r), int(c), int(wrong[r, c])) for r, c in zip(rows, columns, strict=True) if wrong[r, c] > 0]


def split_words(split: str) -> str:
    """A split as people call it; another folder's by its own name."""
    return text.split_name(split) if split in ("train", "val", "test") else split or "pictures"


def preferred(names: tuple[str, ...]) -> str | None:
    """Of `SPLIT-STEP.json` names, oldest first, the one to show first: the newest of the test split, or of all."""
    tests = [name for name in names if name.rpartition("-")[0] == "test"]
    return tests[-1] if tests else (names[-1] if names else None)


def read_evaluation(file: Path) -> ShownEvaluation:
    """Raises UserError for a file that cannot be read as an evaluation."""
    try:
        document = read_json_object(file, EVALUATION, allow_nan=True)
        if document.get("task") == "multilabel":
            raise UserError(_several_labels(document))
        classes = tuple(map(str, document["classes"]))
        confusion = np.array(document["confusion"], dtype=np.int64).reshape(len(classes), len(classes))
        worst = tuple(
            Mistake(Path(m["file"]), str(m["label"]), str(m["predicted"]), float(m["probability"]), float(m["loss"]))
            for m in document["worst"]
        )
        return ShownEvaluation(
            split=str(document["split"]),
            step=int(document["step"]),
            classes=classes,
            confusion=confusion,
            worst=worst,
            accuracy=float(document["accuracy"]),
            correct=int(document["correct"]),
            pictures=int(document["pictures"]),
        )
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{file.name} cannot be read as an evaluation: {error}.") from error


def _several_labels(document: dict[str, Any]) -> str:
    """Why there are no confusions of several labels a picture, and what is known instead."""
    known = sorted(document["average_precision"].items(), key=lambda item: -float(item[1]))
    each = ", ".join(f"{name} {float(value):.1%}" for name, value in known[:12])
    mean = float(document["mean_average_precision"])
    return f"Pictures with several labels have no confusion matrix. Mean average precision {mean:.1%}: {each}."


def read_preview(file: Path) -> NDArray[np.uint8]:
    """A picture [height, width, 3], at most a few hundred pixels, turned upright. Raises UserError if it cannot."""
    try:
        with open_file(file, PICTURE) as stream, Image.open(stream) as picture:
            picture.draft("RGB", (_LARGEST_PREVIEW, _LARGEST_PREVIEW))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            upright.thumbnail((_LARGEST_PREVIEW, _LARGEST_PREVIEW))
            return np.asarray(upright)
    except Unreadable as error:
        raise UserError(f"{file.name} cannot be shown: {str(error).replace(str(file), 'it', 1)}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{file.name} cannot be shown: {reason}.") from error
