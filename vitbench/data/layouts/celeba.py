"""CelebA as it unpacks, and as Kaggle has it: attributes of 1 and -1, identities, and the splits, in files apart.

The attributes are several labels a picture (`task = "multilabel"`); one of them is chosen with its name. Without
either the identities are the classes.
"""

import csv
from pathlib import PurePosixPath

from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.several import HELP, SEVERAL
from vitbench.data.layouts.tree import entries_sentence, split_counts
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.reading import TABLE
from vitbench.nearest import perhaps

_SPLITS = {"0": "train", "1": "val", "2": "test"}


def _recognise(place: Place, options: Options) -> Layout | Declined:
    files = {kind: _file(place, kind) for kind in ("list_attr", "identity", "list_eval_partition")}
    attributes, identities, partition = files.values()
    if attributes is None and identities is None:
        return Declined("there is neither list_attr_celeba.txt nor identity_CelebA.txt")
    names, rows = _attributes(place, attributes) if attributes else ([], {})
    wanted = options.get("label", "")
    labels: dict[str, tuple[str, ...]]
    if wanted:
        if wanted not in names:
            raise UserError(f"CelebA has no attribute {wanted!r}{perhaps(wanted, names)}; it has {listed(names)}.")
        column = names.index(wanted)
        labels = {name: (wanted if marks[column] == "1" else f"no {wanted}",) for name, marks in rows.items()}
    elif SEVERAL in options:
        labels = {
            name: tuple(one for one, mark in zip(names, marks, strict=True) if mark == "1")
            for name, marks in rows.items()
        }
    elif identities:
        labels = {name: (cells[0],) for name, cells in _rows(place, identities) if cells}
    else:
        return Declined(
            f'the attributes of {attributes} are several labels a picture: task = "multilabel" (--as'
            f" celeba:several=yes) learns all of them, --as celeba:label={names[0] if names else 'Smiling'} one",
            near=True,
        )
    splits = {name: _SPLITS.get(cells[0], "") for name, cells in _rows(place, partition) if cells} if partition else {}
    return _layout(place, labels, splits, [one for one in files.values() if one], SEVERAL in options and not wanted)


def _layout(
    place: Place, labels: dict[str, tuple[str, ...]], splits: dict[str, str], files: list[str], several: bool
) -> Layout | Declined:
    entries, problems = [], []
    for name, own in labels.items():
        found = place.finder.find(name, ["img_align_celeba", "img_align_celeba/img_align_celeba", "img_celeba", ""])
        if len(found) != 1:
            why = f"{len(found)} pictures have this name" if found else "No such file or directory"
            problems.append(Problem(name, why))
            continue
        entries.append(Entry(found[0], None if several else own[0], splits.get(name, ""), own if several else None))
    if not entries:
        return Declined("none of the pictures of CelebA's lists is there (img_align_celeba/000001.jpg)", near=True)
    named = listed(PurePosixPath(one).name for one in files)
    sentence = entries_sentence(f"CelebA ({named})", split_counts(entries), {})
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems))


def _file(place: Place, kind: str) -> str | None:
    """The text or table of CelebA whose name begins so."""
    names = [other for other in place.others if PurePosixPath(other).name.lower().startswith(kind)]
    named = (other for other in names if "celeba" in other.lower() or kind == "list_eval_partition")
    return next((other for other in named if other.lower().endswith((".txt", ".csv"))), None)


def _attributes(place: Place, file: str) -> tuple[list[str], dict[str, list[str]]]:
    """Names of the attributes, and of each picture its marks, 1 or -1. Raises UserError for a row of other length."""
    names: list[str] = []
    rows: dict[str, list[str]] = {}
    for number, cells in enumerate(_lines(place, file), start=1):
        if len(cells) == 1 and cells[0].isdigit():
            continue  # the number of pictures
        if not names:
            names = cells[1:] if file.lower().endswith(".csv") else cells
        elif len(cells) != len(names) + 1:
            raise UserError(
                f"{place.root / file}, row {number}, has {len(cells) - 1} marks for {len(names)} attributes."
            )
        else:
            rows[cells[0]] = cells[1:]
    return names, rows


def _rows(place: Place, file: str) -> list[tuple[str, list[str]]]:
    return [(cells[0], cells[1:]) for cells in _lines(place, file) if not cells[0].endswith("_id")]


def _lines(place: Place, file: str) -> list[list[str]]:
    text = read_decoded(place.root / file, TABLE).text
    if file.lower().endswith(".csv"):
        found = [[cell.strip() for cell in cells] for cells in csv.reader(text.splitlines())]
    else:
        found = [line.split() for line in text.split("\n")]
    return [cells for cells in found if cells and cells[0]]


FORM = Form(
    name="celeba",
    phrase="CelebA as it unpacks",
    priority=90,
    recognise=_recognise,
    options={"label": "the one attribute to learn, such as Smiling", SEVERAL: HELP},
    choices=lambda place: ({SEVERAL: "yes"},),
)
