"""Several labels a picture: how a cell of a table names them."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from vitbench.errors import UserError

SEVERAL = "several"
"""The option of a form that reads all labels of a picture: `several=yes`, or the separator between them."""
HELP = "yes for several labels per picture, or what stands between them: bar, semicolon, comma or space"
_SEPARATORS = {"bar": "|", "semicolon": ";", "comma": ",", "space": " ", "plus": "+", "slash": "/"}
_FOUND_BY_ITSELF = ("|", ";", ",", " ")
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
