"""Oxford Flowers-102 as its archives unpack: `jpg/image_00001.jpg`, imagelabels.mat and setid.mat."""

import io
from typing import Any

from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import mask_files
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.reading import TABLE, read_bytes

_SPLITS = {"trnid": "train", "valid": "val", "tstid": "test"}


def _recognise(place: Place, options: Options) -> Layout | Declined:
    base = place.folder_with("imagelabels.mat")
    if base is None:
        return Declined("there is no imagelabels.mat")
    labels = [int(label) for label in _matlab(place, base + "imagelabels.mat", "labels")]
    splits: dict[int, str] = {}
    notes = []
    if (place.root / f"{base}setid.mat").is_file():
        for key, split in _SPLITS.items():
            splits |= {int(number): split for number in _matlab(place, base + "setid.mat", key)}
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
    sentence = f"Recognised Oxford Flowers-102, labels by number (imagelabels.mat), {named}."
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), notes=tuple(notes))


def _matlab(place: Place, name: str, key: str) -> Any:
    """A vector of numbers in a MATLAB file. Raises UserError if scipy, the file or the vector is missing."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise UserError(
            f"{place.root / name} is a MATLAB file, which scipy reads: pip install 'vitbench[matlab]'."
        ) from error
    content = read_bytes(place.root / name, TABLE)
    try:
        return loadmat(io.BytesIO(content), variable_names=[key])[key].ravel().tolist()
    except (ValueError, TypeError, KeyError, NotImplementedError, OSError, IndexError, OverflowError) as error:
        raise UserError(f"{place.root / name} holds no vector {key!r} that can be read ({error}).") from error


FORM = Form(name="flowers-102", phrase="Oxford Flowers-102 as it unpacks", priority=90, recognise=_recognise)
