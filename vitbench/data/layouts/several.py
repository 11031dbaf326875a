"""Several labels a picture: how a cell of a table names them."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vitbench.data.layouts.base import Doubt
from vitbench.errors import UserError

SEVERAL = "several"
"""The option of a form that reads all labels of a picture: `several=yes`, or the separator between them."""
HELP = "yes for several labels per picture, or what stands between them: bar, semicolon, comma or space"
_SEPARATORS = {"bar": "|", "semicolon": ";", "comma": ",", "space": " ", "plus": "+", "slash": "/"}
_FOUND_BY_ITSELF = ("|", ";", ",", " ")
_IN_NAMES = (" ", "+", "/")
"""What stands in names of one class too: labels between them have to occur alone."""
_NO_NAMES = ("|", ";")
_PARTED = {"bar": "bars", "space": "blanks", "plus": "plus signs", "slash": "slashes"}
_NONE = frozenset({"none", "nan", "null", "no finding", "[]", "-"})
"""What stands for no label at all; "No Finding" is that of ChestX-ray14."""


def separator_of(said: str, cells: Sequence[str]) -> str:
    """What parts the labels in `cells`, as a person said it or as it is found; empty where each has one label.

    A character is found where it parts cells into labels that come back in other cells. Raises UserError for a word
    that is no separator.
    """
    word = said.strip().lower()
    if word in _SEPARATORS:
        return _SEPARATORS[word]
    if word not in ("yes", "true", "1"):
        raise UserError(f"{SEVERAL}={said} is unknown: yes, or {', '.join(_SEPARATORS)}.")
    for separator in _FOUND_BY_ITSELF:
        parts = [[part.strip() for part in cell.split(separator)] for cell in cells if cell]
        counts = Counter(label for labels in parts for label in set(labels))
        several = [labels for labels in parts if len(labels) > 1]
        if several and all(all(labels) for labels in several):
            again = sum(counts[label] > 1 for labels in several for label in labels)
            if again * 2 > sum(map(len, several)):
                return separator
    return ""


def labels_in(cell: str, separator: str) -> tuple[str, ...]:
    """The labels of a cell, each once, in their order, maybe none: a list in JSON, or parts between separators."""
    text = cell.strip()
    if text.startswith("[") and text.endswith("]"):
        with suppress(ValueError):
            values = json.loads(text)
            if isinstance(values, list):
                return tuple(dict.fromkeys(str(value).strip() for value in values if str(value).strip()))
    if text.lower() in _NONE:
        return ()
    parts = text.split(separator) if separator else [text]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


@dataclass(frozen=True)
class Joined:
    """Cells that seem to name several labels each: by which word of the option, how many of all, and one of them."""

    said: str
    cells: int
    example: str

    def doubt(self, pictures: int, layout: str) -> Doubt:
        """What a person is asked where each cell was taken for one label; `layout` is what --as reads them with."""
        parted = _PARTED.get(self.said, f"{self.said}s")
        reason = (
            f"{self.cells:,} of {pictures:,} pictures have a label that seems to be several, parted by {parted}, "
            f'such as "{self.example}".'
        )
        way_out = (
            'Each such label is a class of its own, unless task = "multilabel" learns the single ones'
            f" (--set task=multilabel; --as {layout} shows them)."
        )
        stops = self.cells * 2 > pictures
        meant = " If this is meant, set data.accept_doubts = true." if stops else ""
        return Doubt(reason, way_out + meant, stops_training=stops)


def joined_labels(cells: Iterable[str]) -> Joined | None:
    """Whether cells that were read as one label each look like several: None if they do not.

    Of most cells that hold a sign each part has to occur in another one too; alone where names hold that sign as well,
    and one part is enough where they hardly do.
    """
    counts = Counter(text for cell in cells if (text := cell.strip()) and text.lower() not in _NONE)
    for said, sign in _SEPARATORS.items():
        parts = {cell: [part.strip() for part in cell.split(sign)] for cell in counts if sign in cell}
        parts = {cell: found for cell, found in parts.items() if all(found)}
        others = Counter(part for found in parts.values() for part in set(found))
        enough = any if sign in _NO_NAMES else all
        meant = [
            cell
            for cell, found in parts.items()
            if enough(part in counts or (sign not in _IN_NAMES and others[part] > 1) for part in found)
        ]
        if meant and len(meant) * 2 > len(parts):
            return Joined(said, sum(counts[cell] for cell in meant), max(meant, key=lambda cell: counts[cell]))
    return None
