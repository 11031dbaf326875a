"""CUB-200-2011 (Caltech birds) as its archive unpacks: lists of numbers for pictures, classes and the split."""

from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import mask_files
from vitbench.data.problems import Problem
from vitbench.files.reading import TABLE


def _recognise(place: Place, options: Options) -> Layout | Declined:
    names = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")
    base = place.folder_with(*names)
    if base is None:
        return Declined("there are no images.txt, image_class_labels.txt, train_test_split.txt and classes.txt")
    pictures, labels, trained, classes = (_pairs(place, base + name) for name in names)
    entries, problems = [], []
    for number, name in pictures.items():
        found = place.finder.find(name, [f"{base}images", base.rstrip("/")])
        if len(found) != 1:
            problems.append(Problem(name, f"No such file or directory ({base}images.txt, picture {number})"))
        elif number not in labels:
            problems.append(Problem(found[0], "has no label (image_class_labels.txt)"))
        else:
            label = classes.get(labels[number], labels[number]).partition(".")[2] or labels[number]
            entries.append(Entry(found[0], label, "train" if trained.get(number) == "1" else "test"))
    if not entries:
        return Declined(f"none of the pictures in {base}images.txt is there", near=True)
    notes = []
    masks = len(mask_files(place.pictures))
    if masks:
        notes.append(f"{masks:,} masks (segmentations/) are for vitbench faithfulness RUN --data {place.said}.")
    sentence = "Recognised CUB-200-2011, birds by species, in splits train and test (train_test_split.txt)."
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), notes=tuple(notes))


def _pairs(place: Place, name: str) -> dict[str, str]:
    lines = read_decoded(place.root / name, TABLE).text.split("\n")
    return {number: rest.strip() for number, _, rest in (line.strip().partition(" ") for line in lines) if number}


FORM = Form(name="cub-200", phrase="CUB-200-2011 as it unpacks", priority=90, recognise=_recognise)
