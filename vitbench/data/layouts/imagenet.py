"""ImageNet (ILSVRC) as its archives unpack: class folders in train, a val folder whose labels stand in another file.

Of Kaggle that file is `LOC_val_solution.csv`; of the development kit it is `ILSVRC2012_validation_ground_truth.txt`,
whose numbers `meta.mat` (scipy) turns into WordNet's.
"""

import re

from vitbench.data.encodings import read_decoded
from vitbench.data.layouts import matlab
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.names import split_of
from vitbench.data.layouts.place import Place
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.reading import TABLE

_WORDNET = re.compile(r"n\d{8}")
_VALIDATION = re.compile(r"ILSVRC\d{4}_val_(?P<number>\d{8})", re.IGNORECASE)
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def _recognise(place: Place, options: Options) -> Layout | Declined:
    trained, bare, unlabelled = [], {}, []
    for picture in place.pictures:
        *folders, name = picture.split("/")
        stem = name.partition(".")[0]
        if _WORDNET.fullmatch(folders[-1] if folders else "") and any(split_of(f) == "train" for f in folders[:-1]):
            trained.append(Entry(picture, folders[-1], "train"))
        elif _VALIDATION.fullmatch(stem) and not (folders and _WORDNET.fullmatch(folders[-1])):
            bare[stem] = picture
        elif any(split_of(folder) == "test" for folder in folders):
            unlabelled.append(Entry(picture, None, "test"))
    if not bare or not trained:
        return Declined("there is no train/n01440764 beside a val/ of ILSVRC2012_val_00000001.JPEG")
    labels, source = _kaggle_labels(place) or _kit_labels(place, sorted(bare)) or ({}, "")
    entries = [*trained, *(Entry(picture, labels[stem], "val") for stem, picture in bare.items() if stem in labels)]
    problems = [
        Problem(picture, "has no label (LOC_val_solution.csv, or the development kit, would say it)")
        for stem, picture in bare.items()
        if stem not in labels
    ]
    splits = f"splits train and val ({source})" if source else "the split train"
    sentence = f"Recognised ImageNet, in {splits}."
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), unlabelled=tuple(unlabelled))


def _kaggle_labels(place: Place) -> tuple[dict[str, str], str] | None:
    base = place.folder_with("LOC_val_solution.csv")
    if base is None:
        return None
    lines = read_decoded(place.root / f"{base}LOC_val_solution.csv", TABLE).text.split("\n")
    rows = (line.strip().partition(",") for line in lines[1:])
    return {stem: boxes.split()[0] for stem, _, boxes in rows if boxes.split()}, "LOC_val_solution.csv"


def _kit_labels(place: Place, stems: list[str]) -> tuple[dict[str, str], str] | None:
    """Labels of the development kit: line k of the truth is picture k, as a number of meta.mat."""
    base = place.folder_with(_TRUTH, "meta.mat") or place.folder_with(f"data/{_TRUTH}", "data/meta.mat")
    if base is None:
        return None
    if (place.root / f"{base}data/{_TRUTH}").is_file():
        base += "data/"
    numbers = read_decoded(place.root / f"{base}{_TRUTH}", TABLE).text.split()
    names = _wordnet_names(place, f"{base}meta.mat")
    found = {}
    for stem in stems:
        match = _VALIDATION.fullmatch(stem)
        line = int(match["number"]) if match else 0
        if 1 <= line <= len(numbers) and numbers[line - 1] in names:
            found[stem] = names[numbers[line - 1]]
    return found, _TRUTH


def _wordnet_names(place: Place, name: str) -> dict[str, str]:
    rows = matlab.structures(place, name, "synsets")
    if not all({"ILSVRC2012_ID", "WNID"} <= set(row) for row in rows):
        raise UserError(f"{place.root / name} is not a meta.mat of ImageNet: it has no ILSVRC2012_ID and WNID.")
    return {str(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}


FORM = Form(name="imagenet", phrase="ImageNet as it unpacks", priority=80, recognise=_recognise)
