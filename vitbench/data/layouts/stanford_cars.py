"""Stanford Cars as its archives unpack: pictures in `cars_train/` and `cars_test/` (or `car_ims/`), labels in `.mat`.

The development kit has `cars_train_annos.mat` and `cars_meta.mat`; the labels of the test part came later, as
`cars_test_annos_withlabels.mat`. `cars_annos.mat` describes all pictures at once.
"""

from vitbench.data.layouts import matlab
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.tree import entries_sentence, split_counts
from vitbench.data.problems import Problem

_FILES = {
    "cars_train_annos.mat": "train",
    "cars_test_annos_withlabels.mat": "test",
    "cars_test_annos_with_labels.mat": "test",
    "cars_test_annos.mat": "test",
}

_Row = tuple[str, str, str, str]
"""Picture, number of the class (from 1; empty if it is not said), split, and the file that says so."""


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    found = {file: base for file in (*_FILES, "cars_annos.mat") if (base := place.folder_with(file)) is not None}
    if "cars_train_annos.mat" not in found and "cars_annos.mat" not in found:
        return Declined("there is neither cars_train_annos.mat nor cars_annos.mat")
    rows: list[_Row] = []
    if "cars_train_annos.mat" in found:
        for file, split in _FILES.items():
            for row in matlab.structures(place, found[file] + file, "annotations") if file in found else []:
                rows.append((str(row.get("fname")), str(row.get("class", "")), split, file))
    else:
        file = "cars_annos.mat"
        for row in matlab.structures(place, found[file] + file, "annotations"):
            split = "test" if row.get("test") else "train"
            rows.append((str(row.get("relative_im_path")), str(row.get("class", "")), split, file))
        names = matlab.texts(place, found[file] + file, "class_names")
    notes = []
    if "cars_train_annos.mat" in found:
        base = place.folder_with("cars_meta.mat")
        names = matlab.texts(place, f"{base}cars_meta.mat", "class_names") if base is not None else []
        if base is None:
            notes.append("There is no cars_meta.mat, which names the classes: they stay numbers.")
    return _layout(place, rows, names, notes)


def _layout(place: Place, rows: list[_Row], names: list[str], notes: list[str]) -> Layout | Declined:
    entries: dict[str, Entry] = {}
    bare: dict[str, str] = {}
    problems = []
    for picture, number, split, file in rows:
        folders = [f"cars_{split}", f"cars_{split}/cars_{split}", "car_ims", ""]
        there = place.finder.find(picture, folders)
        # Both parts count their pictures from 00001.jpg.
        there = [one for one in there if f"cars_{split}" in one or "/cars_" not in f"/{one}"]
        if len(there) != 1:
            problems.append(
                Problem(picture, f"{'No such file or directory' if not there else 'several have this name'} ({file})")
            )
        elif not number:
            bare.setdefault(there[0], split)
        elif names and not (number.isdigit() and 1 <= int(number) <= len(names)):
            problems.append(Problem(there[0], f"is of class {number}, but cars_meta.mat names {len(names)} ({file})"))
        else:
            entries[there[0]] = Entry(there[0], names[int(number) - 1] if names else number, split)
    if not entries:
        return Declined("none of the pictures of its annotations is there (cars_train/00001.jpg)", near=True)
    rest = tuple(Entry(picture, None, split) for picture, split in bare.items() if picture not in entries)
    files = listed(dict.fromkeys(file for _, number, _, file in rows if number))
    sentence = entries_sentence(f"Stanford Cars, cars by model ({files})", split_counts(list(entries.values())), {})
    return Layout(
        place.root, FORM.name, sentence, tuple(entries.values()), tuple(problems), notes=tuple(notes), unlabelled=rest
    )


FORM = Form(name="stanford-cars", phrase="Stanford Cars as it unpacks", priority=90, recognise=_recognise)
