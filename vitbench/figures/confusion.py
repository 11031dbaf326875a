"""A confusion matrix as PNG, PDF, SVG or CSV: rows are true classes, columns what they were taken for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.figures.colours import colourise
from vitbench.figures.raster import enlarge
from vitbench.figures.save import sheet_bytes
from vitbench.figures.sheet import Cells, Panel, Scale, Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.confusion import confusion_csv, confusion_request
from vitbench.requests.drawing import FIGURE_ENDINGS
from vitbench.requests.plots import ConfusionRequest
from vitbench.text import clean

CONFUSION_ENDINGS = (*FIGURE_ENDINGS, ".csv")

_MATRIX = 800
"""Pixels of the matrix's side, about."""
_NAMED_ON_ONE_COLUMN = 12
"""Classes; a larger matrix takes the width of the page."""
_LONGEST_LABEL = 28


def confusion_bytes(
    ending: str,
    document: Mapping[str, object],
    name: str = "",
    source: Path | None = None,
) -> bytes:
    """The confusions of an evaluation's `document` as a file with one of the CONFUSION_ENDINGS.

    `name` is whose they are, for the title, and `source` the file that the document was read from.
    """
    request = confusion_request(document, name, source)
    if ending.lower() == ".csv":
        return confusion_csv(_matrix(request), request.classes).encode("utf-8", "surrogateescape")
    return sheet_bytes(compose_confusion(request), ending)


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
    if file.suffix.lower() not in CONFUSION_ENDINGS:
        raise UserError(f"A confusion matrix is saved as {', '.join(CONFUSION_ENDINGS)}; {file.name} ends otherwise.")


def _label(name: str) -> str:
    text = clean(name)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
