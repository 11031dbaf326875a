"""Tiny ImageNet as it unpacks: class folders in train, `val_annotations.txt` beside those of val."""

from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place
from vitbench.data.problems import Problem
from vitbench.files.reading import TABLE


def _recognise(place: Place, options: Options) -> Layout | Declined:
    base = place.folder_with("val/val_annotations.txt", "wnids.txt")
    if base is None:
        return Declined("there are no wnids.txt and val/val_annotations.txt")
    entries, problems, unlabelled = [], [], []
    labels = {}
    lines = read_decoded(place.root / f"{base}val/val_annotations.txt", TABLE).text.split("\n")
    for number, line in enumerate(lines, start=1):
        cells = line.strip().split("\t")
        if len(cells) > 1:
            labels[cells[0]] = cells[1]
        elif cells[0]:
            problems.append(Problem(f"{base}val/val_annotations.txt", f"names no label (line {number})"))
    for picture in place.pictures:
        if not picture.startswith(base):
            problems.append(Problem(picture, "lies outside the folders of the splits"))
            continue
        split, *folders, name = picture[len(base) :].split("/")
        if split == "train" and folders:
            entries.append(Entry(picture, folders[0], "train"))
        elif split == "val" and (name in labels or (len(folders) == 1 and folders[0] != "images")):
            entries.append(Entry(picture, labels.get(name) or folders[0], "val"))
        elif split == "test":
            unlabelled.append(Entry(picture, None, "test"))
        else:
            problems.append(Problem(picture, "has no label (val_annotations.txt)"))
    if not entries:
        return Declined("there are no pictures in train/ and val/", near=True)
    sentence = "Recognised Tiny ImageNet, in splits train and val (val_annotations.txt)."
    return Layout(
        place.root, FORM.name, sentence, tuple(entries), tuple(problems), unlabelled=tuple(unlabelled)
    )  # fmt: skip


FORM = Form(name="tiny-imagenet", phrase="Tiny ImageNet as it unpacks", priority=90, recognise=_recognise)
