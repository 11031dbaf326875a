"""A confusion matrix as PNG, PDF, SVG or CSV: rows are true classes, columns what they were taken for.

`python -m vitbench.figures.confusion ENDING EVALUATION.json NAME` prints that of an evaluation in a run's folder as a
file of this ending: the app asks so, because it never imports matplotlib itself.
"""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.raster import enlarge
from vitbench.figures.save import FORMATS, sheet_bytes
from vitbench.figures.sheet import Cells, Panel, Scale, Sheet
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.progress import Progress, silent
from vitbench.requests.drawing import Drawing
from vitbench.requests.plots import ConfusionRequest
from vitbench.text import clean

ENDINGS = (*FORMATS, ".csv")

_MATRIX = 800
"""Pixels of the matrix's side, about."""
_NAMED_ON_ONE_COLUMN = 12
"""Classes; a larger matrix takes the width of the page."""
_LONGEST_LABEL = 28


def confusion_bytes(
    ending: str,
    document: Mapping[str, Any],
    name: str = "",
    source: Path | None = None,
    style: Mapping[str, Any] | None = None,
) -> bytes:
    """The confusions of an evaluation's `document` as a file with one of the ENDINGS.

    `name` is whose they are, for the title, and `source` the file that the document was read from. `style` may have
    `width_cm`, `dpi` and `caption`, as the app's export dialog gives them.
    """
    request = confusion_request(document, name, source)
    if ending.lower() == ".csv":
        return confusion_csv(_matrix(request), request.classes).encode("utf-8", "surrogateescape")
    return sheet_bytes(compose_confusion(request), ending, Drawing.of_style(style or {}))


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


def compose_confusion(request: ConfusionRequest, sources: object = None, progress: Progress = silent) -> Sheet:
    """The matrix, [true, predicted], shaded by the share of each row, with numbers of pictures where they fit."""
    count = len(request.classes)
    confusion = _matrix(request)
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    scale = Scale("Blues", 0, 100, "Per cent of the true class")
    picture = enlarge(colourise(100 * shares, scale.colour_map, scale.low, scale.high), max(1, _MATRIX // count))
    names = tuple(_label(name) for name in request.classes)
    numbers = tuple(tuple(str(value) if value else "" for value in row) for row in confusion.tolist())
    cells = Cells(count, count, "True class", "Predicted class", names, names, numbers)
    panel = Panel(picture, request.title, scale=scale, cells=cells)
    facts = {"title": request.title, "evaluation": request.evaluation}
    return Sheet(
        "confusion",
        request.record(),
        (panel,),
        facts,
        request.title,
        arrays={"confusion": confusion},
        two_columns=count > _NAMED_ON_ONE_COLUMN,
    )


def _matrix(request: ConfusionRequest) -> NDArray[np.int64]:
    """[true, predicted] numbers of pictures."""
    confusion = np.zeros((len(request.classes), len(request.classes)), np.int64)
    for true, predicted, pictures in request.counts:
        confusion[true, predicted] = pictures
    return confusion


def check_ending(file: Path) -> None:
    """Raises UserError for a name that chooses no format; before an evaluation that takes minutes, say."""
    if file.suffix.lower() not in ENDINGS:
        raise UserError(f"A confusion matrix is saved as {', '.join(ENDINGS)}; {file.name} ends otherwise.")


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


def _label(name: str) -> str:
    text = clean(name)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def main(ending: str, source: Path, name: str, style: str = "{}") -> int:
    """Prints the bytes of the file; what is wrong goes to stderr as a sentence."""
    try:
        sys.stdout.buffer.write(confusion_bytes(ending, read_document(source), name, source, json.loads(style)))
    except UserError as error:
        print(clean(str(error)), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:5]))
