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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError
from vitbench.figures.provenance import file_hash, provenance
from vitbench.figures.save import DPI, FORMATS, figure_bytes, wrapped
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.progress import Progress
from vitbench.runs.store import Store
from vitbench.text import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (*FORMATS, ".csv")

_MATRIX = 800
"""Pixels of the matrix, about; cells have at most `_CELL` and at least one."""
_CELL = 44
_LINE = 11
"""Pixels that a label needs; where cells are smaller, only some classes are named."""
_LEAST_FOR_NUMBERS = 16
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
    `width_cm`, `dpi`, and `caption` (whether there is a title).
    """
    style = style or {}
    classes = [str(label) for label in document["classes"]]
    confusion = np.array(document["confusion"], dtype=np.int64).reshape(len(classes), len(classes))
    if ending.lower() == ".csv":
        return confusion_csv(confusion, classes).encode("utf-8", "surrogateescape")
    facts = {key: document[key] for key in ("split", "step", "root", "correct", "pictures") if key in document}
    request = {"evaluation": str(source.absolute()) if source else "", "name": name, "style": dict(style)}
    inputs = {"evaluation": file_hash(source)} if source else {}
    figure = _styled_figure(confusion, document, name, style)
    return figure_bytes(figure, ending, provenance("confusion", request, inputs, facts))


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


def remake(recorded: Mapping[str, Any], store: Store, progress: Progress) -> tuple["Figure", dict[str, Any]]:
    """The figure that `recorded` describes, drawn again, and its provenance now."""
    source, name = Path(recorded["request"]["evaluation"]), str(recorded["request"]["name"])
    if not recorded["request"]["evaluation"]:
        raise UserError("This confusion matrix is not that of a run: `vitbench evaluate ... --confusion` draws it.")
    document = read_document(source)
    style = recorded["request"].get("style") or {}
    figure = _styled_figure(np.array(document["confusion"], dtype=np.int64), document, name, style)
    return figure, {**recorded, "inputs": {"evaluation": file_hash(source)}}


def _styled_figure(
    confusion: NDArray[np.int64], document: Mapping[str, Any], name: str, style: Mapping[str, Any]
) -> "Figure":
    classes = [str(label) for label in document["classes"]]
    figure = confusion_figure(confusion, classes, _title(document, name) if style.get("caption", True) else "")
    if style.get("width_cm"):
        width, height = figure.get_size_inches()
        figure.set_size_inches(style["width_cm"] / 2.54, style["width_cm"] / 2.54 * height / width)
    if style.get("dpi"):
        figure.set_dpi(style["dpi"])
    return figure


def confusion_csv(confusion: NDArray[np.int64], classes: Sequence[str]) -> str:
    """A row for each true class, a column for each that it was taken for, numbers of pictures."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["true class \\ predicted class", *classes])
    writer.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    return stream.getvalue()


def confusion_figure(confusion: NDArray[np.int64], classes: Sequence[str], title: str) -> "Figure":
    """The matrix, [true, predicted], shaded by the share of each row, with numbers of pictures where they fit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(classes)
    cell = min(_CELL, max(1, _MATRIX // count))
    labels = [_label(name) for name in classes]
    matrix, beside = max(220, cell * count) / DPI, 0.75 + 0.055 * max(map(len, labels))
    figure = Figure(figsize=(matrix + beside + 0.8, matrix + beside + 0.45), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.divide(confusion, totals, out=np.zeros(confusion.shape), where=totals > 0)
    picture = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    every = -(-_LINE // cell)
    named = range(0, count, every)
    axes.set_xticks(named, [labels[k] for k in named], rotation=90, fontsize=7.5)
    axes.set_yticks(named, [labels[k] for k in named], fontsize=7.5)
    axes.tick_params(length=0 if every == 1 else 3)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    axes.set_title(_literal("\n".join(wrapped(title, int(0.8 * matrix * DPI)))), loc="left", fontsize=10)
    if cell >= _LEAST_FOR_NUMBERS:
        for row, column in np.argwhere(confusion):
            colour = "white" if shares[row, column] > 0.55 else "black"
            number = f"{confusion[row, column]}"
            axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=6.5)
        axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="#dddddd", linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, pad=0.02, aspect=30)
    bar.set_label("Per cent of the true class", fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    return figure


def _title(document: Mapping[str, Any], name: str) -> str:
    correct, pictures = int(document["correct"]), int(document["pictures"])
    parts = [clean(name), clean(str(document.get("split", "")))]
    if "step" in document:
        parts.append(f"step {int(document['step']):,}")
    parts.append(f"{correct:,} of {pictures:,} right ({correct / max(1, pictures):.1%})")
    return ", ".join(part for part in parts if part)


def _label(name: str) -> str:
    text = clean(name)
    return _literal(text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…")


def _literal(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


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
