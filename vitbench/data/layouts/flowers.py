"""Oxford Flowers-102 as its archives unpack: `jpg/image_00001.jpg`, imagelabels.mat and setid.mat."""

from vitbench.data.layouts import matlab
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import mask_files
from vitbench.data.problems import Problem

_SPLITS = {"trnid": "train", "valid": "val", "tstid": "test"}


def _recognise(place: Place, options: Options) -> Layout | Declined:
    base = place.folder_with("imagelabels.mat")
    if base is None:
        return Declined("there is no imagelabels.mat")
    labels = matlab.numbers(place, base + "imagelabels.mat", "labels")
    splits: dict[int, str] = {}
    notes = []
    if (place.root / f"{base}setid.mat").is_file():
        for key, split in _SPLITS.items():
            splits |= dict.fromkeys(matlab.numbers(place, base + "setid.mat", key), split)
    else:
        notes.append("There is no setid.mat beside imagelabels.mat, which would tell the splits.")
    entries, problems = [], []
    for number, label in enumerate(labels, start=1):
        found = place.finder.find(f"image_{number:05d}.jpg", [f"{base}jpg", base.rstrip("/")])
        if found:
            entries.append(Entry(found[0], str(label), splits.get(number, "")))
        else:
            problems.append(Problem(f"image_{number:05d}.jpg", "No such file or directory (imagelabels.mat)"))
    if not entries:
        return Declined("none of the pictures of imagelabels.mat is there (jpg/image_00001.jpg)", near=True)
    masks = len(mask_files(place.pictures))
    if masks:
        notes.append(f"{masks:,} masks are for vitbench faithfulness RUN --data {place.said}.")
    named = "in splits train, val and test (setid.mat)" if splits else "without splits"
    sentence = f"Recognised Oxford Flowers-102, labels of imagelabels.mat, {named}."
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), notes=tuple(notes))


FORM = Form(name="flowers-102", phrase="Oxford Flowers-102 as it unpacks", priority=90, recognise=_recognise)
