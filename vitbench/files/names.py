"""Names for files: distinct, and no longer than a file system allows."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

LONGEST_NAME = 255
"""In bytes, on every common file system."""


def alike(name: str) -> str:
    """Equal for names that some file system takes for one: they differ in case, or in how accents are written."""
    return unicodedata.normalize("NFC", name).casefold()


def distinct_names(files: Sequence[Path], ending: str) -> list[str]:
    """A name for an output of each input: its stem, or its whole name where two stems are alike, else a number too."""
    stems = [alike(file.stem) for file in files]
    taken: set[str] = set()
    names = []
    for file, stem in zip(files, stems, strict=True):
        base = file.stem if stems.count(stem) == 1 else file.name
        name, number = base + ending, 1
        while alike(name) in taken:
            number += 1
            name = f"{base}-{number}{ending}"
        taken.add(alike(name))
        names.append(name)
    return names


def fitting_name(file: Path, number: str = "") -> Path:
    """`file` with `number` behind its stem, which is cut where the name would be longer than a file system allows."""
    ending = os.fsencode(number + file.suffix)
    stem = os.fsencode(file.stem)
    cut = stem[: max(1, LONGEST_NAME - len(ending))]
    # Half a letter is left out.
    text = file.stem if cut == stem else cut.decode("utf-8", "ignore") or "_"
    return file.with_name(text + number + file.suffix)


def shown(file: str | os.PathLike[str]) -> str:
    """The path in a message; a name of thousands of characters would hide what the message says."""
    text = os.fspath(file)
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"
