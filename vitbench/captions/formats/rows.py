"""What an annotation file says: which picture has which caption, and which of its rows cannot be used."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.captions.formats.mending import is_nothing, mended
from vitbench.data.scenes import Word
from vitbench.errors import UserError
from vitbench.text import counted

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


_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""Characters that Python, but no format of captions, takes for the end of a line."""


TWICE = "standing for a picture that has the same one already: *"


@dataclass
class Rows:
    """`captions[(split, picture name)]`, in the order of the file; `problems` names each row that was left out.

    `regions[(split, picture name)]` are COCO object masks, where the form has them; `truths` the words of a scene.
    """

    captions: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    regions: dict[tuple[str, str], list["Region"]] = field(default_factory=dict)
    truths: dict[tuple[str, str], tuple[Word, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was changed or guessed while nothing was left out, a sentence each."""
    changes: dict[str, list[str]] = field(default_factory=dict)
    """A sentence for each thing that happened to captions (`*` is how many), with the places of those."""

    unknown_splits: Counter[str] = field(default_factory=Counter)

    def add(self, name: object, caption: object, split: str, where: str) -> None:
        """Takes one row, or notes why it is left out; `where` names file and line for the note."""
        if not isinstance(name, str) or not name.strip():
            self.problems.append(f"{where}: no picture name")
        elif not isinstance(caption, str) or not caption.strip():
            self.problems.append(f"{where}: no caption for {name}")
        elif is_nothing(caption):
            self.problems.append(f"{where}: no caption for {name} (only {caption.strip()!r})")
        else:
            caption, changed = mended(caption)
            for change in changed:
                self.changes.setdefault(change, []).append(where)
            if odd := _SEPARATORS.search(caption):
                self.notes.append(f"{where}: U+{ord(odd[0]):04X}, a separator of lines, is read as a blank")
            if "\ufffd" in caption:
                self.notes.append(f"{where}: U+FFFD stands where a character was lost before the file was written")
            known = self.captions.setdefault((split, name.strip()), [])
            one = " ".join(caption.split())
            if one in known:
                self.changes.setdefault(TWICE, []).append(where)
            known.append(one)

    def split_named(self, value: object) -> str:
        """The split that a file names for a picture; empty, and counted, if it is none that is known."""
        said = value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else ""
        split = SPLIT_NAMES.get(said.lower(), "") or split_of(said)
        if said and not split:
            self.unknown_splits[said] += 1
        return split

    def said(self) -> list[str]:
        """The notes, and a sentence for each kind of change with how often it happened and where first."""
        sentences = [
            f"{change.replace('*', counted(len(places), 'caption'))} (first {places[0]})"
            for change, places in self.changes.items()
        ]
        unknown = [
            f"the split {split!r} ({counted(count, 'time')}) is not known: read as if none was named"
            for split, count in self.unknown_splits.items()
        ]
        return [*self.notes, *sentences, *unknown]

    def merge(self, other: "Rows") -> None:
        """Adds what another file says."""
        both = [key for key in other.captions if key in self.captions]
        if both:
            split, name = both[0]
            of_split = f" of {split}" if split else ""
            self.notes.append(
                f"{counted(len(both), 'picture')}{of_split} have captions in several files, such as {name}, and all are"
                " used; name one of the files to use it alone"
            )
        for key, captions in other.captions.items():
            self.captions.setdefault(key, []).extend(captions)
        for change, places in other.changes.items():
            self.changes.setdefault(change, []).extend(places)
        for key, regions in other.regions.items():
            self.regions.setdefault(key, []).extend(regions)
        self.truths.update(other.truths)
        self.unknown_splits.update(other.unknown_splits)
        self.problems.extend(other.problems)
        self.notes.extend(other.notes)


@dataclass(frozen=True)
class Region:
    """A named object of a picture: COCO segmentation (polygons, or run lengths) at the file's picture size.

    Height and width are 0 where the file does not say them. `where` names the entry for a problem; `box` is its own
    left, top, width and height in pixels, where the file has them beside the segmentation.
    """

    category: str
    segmentation: object
    height: int
    width: int
    where: str = ""
    box: tuple[float, float, float, float] | None = None


def split_of(name: str) -> str:
    """The split that a file's or folder's name tells: `captions_val2017` is "val"; "" if it tells none."""
    words = "".join(c if c.isalpha() or c == "_" else " " for c in name.lower())
    if "test_heldout" in words:
        return "test_heldout"
    parts = words.replace("_", " ").split()
    return next((SPLIT_NAMES[part] for part in reversed(parts) if part in SPLIT_NAMES), "")


def dictionaries(document: object, key: str, file: Path, rows: Rows) -> Iterator[tuple[str, dict[str, object]]]:
    """The entries of the list `document[key]` that are objects, each with its place; the others are problems. Raises
    UserError where that is no list."""
    entries = document.get(key) if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"{file} has no list {key!r}.")
    for number, entry in enumerate(entries):
        where = f"{file.name}: {key}[{number}]"
        if isinstance(entry, dict):
            yield where, entry
        else:
            rows.problems.append(f"{where}: not an object")
