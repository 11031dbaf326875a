"""The confusions of an evaluation's document: as a request that holds their numbers, and as a table."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.requests.plots import ConfusionRequest
from vitbench.text import clean


def confusion_request(document: Mapping[str, Any], name: str = "", source: Path | None = None) -> ConfusionRequest:
    """The matrix of an evaluation's `document` as a request that holds its numbers."""
    classes = [str(label) for label in document["classes"]]
    confusion = np.array(document["confusion"], dtype=np.int64).reshape(len(classes), len(classes))
    return ConfusionRequest.read(
        {
            "classes": classes,
            "counts": [[int(row), int(column), int(confusion[row, column])] for row, column in np.argwhere(confusion)],
            "title": _title(document, name),
            "evaluation": str(source.absolute()) if source else "",
        }
    )


def read_document(file: Path) -> dict[str, Any]:
    """The document of an evaluation. Raises UserError if it cannot be read."""
    try:
        document = read_json_object(file, EVALUATION, allow_nan=True)
        classes = len(document["classes"])
        np.array(document["confusion"], dtype=np.int64).reshape(classes, classes)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"{file} cannot be read as an evaluation: {error}.") from error
    return dict(document)


def confusion_csv(confusion: NDArray[np.int64], classes: Sequence[str]) -> str:
    """A row for each true class, a column for each that it was taken for, numbers of pictures."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["true class \\ predicted class", *classes])
    writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    return stream.getvalue()


def _title(document: Mapping[str, Any], name: str) -> str:
    correct, pictures = int(document["correct"]), int(document["pictures"])
    parts = [clean(name), clean(str(document.get("split", "")))]
    if "step" in document:
        parts.append(f"step {int(document['step']):,}")
    parts.append(f"{correct:,} of {pictures:,} right ({correct / max(1, pictures):.1%})")
    return ", ".join(part for part in parts if part)
