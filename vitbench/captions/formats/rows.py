"""What an annotation file says: which picture has which sentence, and which of its rows say nothing usable."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.data.scenes import Word
from vitbench.errors import UserError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "restval": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "test_heldout": "test_heldout",
}
"""What people call the parts, and what they are called here."""


@dataclass
class Rows:
    """`sentences[(split, picture name)]`, in the order of the file; `problems` names each row that was left out.

    `regions[(split, picture name)]` are COCO object masks, where the form has them; `truths` the words of a scene.
    """

    sentences: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    regions: dict[tuple[str, str], list["Region"]] = field(default_factory=dict)
    truths: dict[tuple[str, str], tuple[Word, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: object, sentence: object, split: str, where: str) -> None:
        """Takes one row, or notes why it is left out; `where` names file and line for the note."""
        if not isinstance(name, str) or not name.strip():
            self.problems.append(f"{where}: no picture name")
        elif not isinstance(sentence, str) or not sentence.strip():
            self.problems.append(f"{where}: no sentence for {name}")
        else:
            self.sentences.setdefault((split, name.strip()), []).append(" ".join(sentence.split()))

    def merge(self, other: "Rows") -> None:
        """Adds what another file says."""
        for key, sentences in other.sentences.items():
            self.sentences.setdefault(key, []).extend(sentences)
        for key, regions in other.regions.items():
            self.regions.setdefault(key, []).extend(regions)
        self.truths.update(other.truths)
        self.problems.extend(other.problems)


@dataclass(frozen=True)
class Region:
    """A named object of a picture: COCO segmentation (polygons, or run lengths) at the file's picture size."""

    category: str
    segmentation: Any
    height: int
    width: int


def split_of(name: str) -> str:
    """The split that a file's or folder's name tells: `captions_val2017` is "val"; "" if it tells none."""
    words = "".join(c if c.isalpha() or c == "_" else " " for c in name.lower())
    if "test_heldout" in words:
        return "test_heldout"
    parts = words.replace("_", " ").split()
    return next((SPLIT_NAMES[part] for part in reversed(parts) if part in SPLIT_NAMES), "")


def read_json(file: Path) -> Any:
    """The JSON document in `file`. Raises UserError with the place if it is broken."""
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is not valid JSON (line {error.lineno}: {error.msg}).") from error


def read_text(file: Path) -> str:
    """The text of `file`: UTF-8, with or without a byte-order mark. Raises UserError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def dictionaries(document: Any, key: str, file: Path, rows: Rows) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of the list `document[key]` that are objects, each with its place; the others are problems."""
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"{file} has no list {key!r}.")
    for number, entry in enumerate(entries):
        where = f"{file.name}: {key}[{number}]"
        if isinstance(entry, dict):
            yield where, entry
        else:
            rows.problems.append(f"{where}: not an object")
