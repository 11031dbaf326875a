"""A small file beside each picture, of its name, that holds its label: `1.txt`, `1.cls` or `1.json`."""

from collections import Counter
from pathlib import PurePosixPath

from vitbench.data.encodings import decode
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.column_names import LABEL_COLUMNS
from vitbench.data.layouts.names import split_of
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.tree import entries_sentence, mask_files, split_counts
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import Kind, read_bytes

_ENDINGS = (".txt", ".cls", ".label", ".lbl", ".json")
_LABEL_FOLDERS = ("labels", "label", "annotations", "annotation", "ann", "meta")
_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
_BESIDE = Kind("label beside a picture", 1024**2)
_LONGEST = 60
"""Characters. What is longer is a sentence."""


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    others, masks = set(place.others), mask_files(place.pictures)
    pictures = [picture for picture in place.pictures if picture not in masks]
    beside = {picture: file for picture in pictures if (file := _beside(picture, others))}
    if not beside or len(beside) * 2 < len(pictures):
        return Declined("most pictures have no .txt, .cls or .json of their name")
    labels: dict[str, str] = {}
    problems = []
    for picture, file in beside.items():
        try:
            labels[picture] = _label(place, file)
        except UserError as error:
            problems.append(Problem(picture, f"its {PurePosixPath(file).name} cannot be read: {error}"))
    said = Counter(filter(None, labels.values()))
    if not said:
        return Declined("the files beside the pictures hold no label")
    if len(labels) > 4 and len(said) * 2 > len(labels):
        return Declined("the files beside the pictures say something of their own of each, as captions do", near=True)
    entries, unlabelled = [], []
    for picture in pictures:
        split = next((named for part in picture.split("/")[:-1] if (named := split_of(part))), "")
        if labels.get(picture):
            entries.append(Entry(picture, labels[picture], split))
        elif picture in labels:
            problems.append(Problem(picture, f"its {PurePosixPath(beside[picture]).name} holds no label"))
        elif picture not in beside:
            unlabelled.append(Entry(picture, None, split))
    trained = {entry.split for entry in entries}
    problems += [Problem(one.file, "has no file with its label") for one in unlabelled if one.split in trained]
    rest = tuple(one for one in unlabelled if one.split not in trained)
    ending = PurePosixPath(next(iter(beside.values()))).suffix
    sentence = entries_sentence(f"a {ending} with the label beside each picture", split_counts(entries), {})
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), unlabelled=rest)


def _beside(picture: str, others: set[str]) -> str | None:
    """The file of a picture's label: in its folder, or in `labels/` where the pictures are in `images/`."""
    stem = picture.rpartition(".")[0]
    parts = stem.split("/")
    stems = [stem]
    for place, part in enumerate(parts[:-1]):
        if part.lower() in _IMAGE_FOLDERS:
            stems += ["/".join([*parts[:place], folder, *parts[place + 1 :]]) for folder in _LABEL_FOLDERS]
    stems += ["/".join([*parts[:-1], folder, parts[-1]]) for folder in _LABEL_FOLDERS]
    return next((name for tried in stems for ending in _ENDINGS if (name := tried + ending) in others), None)


def _label(place: Place, file: str) -> str:
    """What a file says; empty where it is no label. Raises UserError if it cannot be read."""
    content = read_bytes(place.root / file, _BESIDE)
    if file.lower().endswith(".json"):
        try:
            return _of_json(parse_json(content, file))
        except Malformed as error:
            raise UserError(error.reason) from error
    lines = [line.strip() for line in decode(content, file).text.split("\n") if line.strip()]
    if len(lines) != 1 or len(lines[0]) > _LONGEST:
        return ""
    return lines[0]


def _of_json(value: object) -> str:
    """The label of `"cat"`, `3` or `{"label": "cat"}`."""
    if isinstance(value, dict):
        plain = {str(key).lower(): one for key, one in value.items()}
        value = next((plain[name] for name in LABEL_COLUMNS if isinstance(plain.get(name), str | int)), None)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if len(text) <= _LONGEST else ""


FORM = Form(
    name="labels beside",
    phrase="a .txt, .cls or .json with the label beside each picture",
    priority=12,
    recognise=_recognise,
)
