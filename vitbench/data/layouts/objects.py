"""Objects in pictures, as detectors and annotation programs write them; a picture's class is that of its objects.

Pascal VOC (`Annotations/*.xml`), LabelMe (a `.json` beside each picture), CVAT for images (`annotations.xml`), COCO
instances (`.json`), VIA (`.json` or `.csv`) and YOLO (`labels/*.txt`, names in `data.yaml`, `classes.txt` or
`obj.names`).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from vitbench.data.class_names import parse_class_names
from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options
from vitbench.data.layouts.flat_names import FORM as FLAT_NAMES
from vitbench.data.layouts.lists import split_lists
from vitbench.data.layouts.names import split_in_name, split_of
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.several import HELP, SEVERAL
from vitbench.data.layouts.tree import entries_sentence, split_counts
from vitbench.data.layouts.via import (
    ViaPicture,
    attribute_of,
    is_via_table,
    pictures_of_document,
    pictures_of_table,
    values_of,
)
from vitbench.data.problems import Problem
from vitbench.data.tables import first_cells, read_table
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import CAPTIONS, TABLE, read_bytes
from vitbench.text import counted

_MOST_DOCUMENTS = 20
"""JSON files without a picture of their name that are looked into for COCO's instances."""
_NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "_darknet.labels", "coco.names")
_LINE = re.compile(r"\d+(\s+-?[\d.eE+-]+){4,}\s*")


class _Found:
    """Names of objects by picture, in their order, where they were found, and what was wrong."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.names: dict[str, list[str]] = defaultdict(list)
        self.splits: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.why = ""
        """Why there are no names although there are objects."""

    def add(self, place: Place, file: str, picture: str, names: Iterable[str], split: str = "") -> None:
        """The names of one picture's objects, as `file` has them."""
        folder = file.rpartition("/")[0]
        folders = [folder, f"{folder}/../images", f"{folder}/../JPEGImages", "images", split, ""]
        found = place.finder.find(picture, folders) or place.finder.find(PurePosixPath(file).stem, folders)
        if len(found) == 1:
            self.names[found[0]] += [name.strip() for name in names if name.strip()]
            if split:
                self.splits[found[0]] = split
        else:
            why = "no such picture" if not found else f"{len(found)} pictures have this name"
            self.problems.append(Problem(picture, f"{why} ({file})"))


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    tried = []
    for read in (_xml, _json, _via, _yolo):
        found = read(place, options)
        if found is not None and any(found.names.values()):
            break
        tried += [found.why] if found is not None and found.why else []
    else:
        return Declined(
            tried[0] if tried else "there are no objects of VOC, LabelMe, CVAT, COCO, VIA or YOLO", bool(tried)
        )
    if not options and _names_tell_more(place, found):
        return Declined(f"the names of the pictures tell their classes; {found.kind} names objects too")
    return _layout(place, found, SEVERAL in options)


def _layout(place: Place, found: _Found, several: bool) -> Layout | Declined:
    splits = _splits(place, found)
    entries, unlabelled, mixed, problems = [], [], 0, list(found.problems)
    for picture in place.pictures:
        names = list(dict.fromkeys(found.names.get(picture, ())))
        split = splits.get(picture, "")
        if picture not in found.names:
            unlabelled.append(Entry(picture, None, split))
        elif several:
            entries.append(Entry(picture, None, split, labels=tuple(names)))
        elif len(names) == 1:
            entries.append(Entry(picture, names[0], split))
        elif names:
            mixed += 1
            problems.append(Problem(picture, f"shows objects of several classes: {listed(names[:4])}"))
        else:
            problems.append(Problem(picture, f"has no object in its annotation ({found.kind})"))
    if not entries:
        why = "each picture shows objects of several classes" if mixed else "no picture has an object"
        return Declined(f'{why} ({found.kind}); task = "multilabel" takes all of them', near=True)
    notes = ["A picture's class is that of its objects; where they lie is not used."]
    if mixed:
        notes.append(f'Left out: {counted(mixed, "picture")} of several classes; task = "multilabel" takes them.')
    labelled_splits = {entry.split for entry in entries}
    problems += [Problem(one.file, "has no annotation") for one in unlabelled if one.split in labelled_splits]
    rest = tuple(one for one in unlabelled if one.split not in labelled_splits)
    sentence = entries_sentence(f"objects by name ({found.kind})", split_counts(entries), {})
    return Layout(place.root, FORM.name, sentence, tuple(entries), tuple(problems), notes=tuple(notes), unlabelled=rest)


def _splits(place: Place, found: _Found) -> dict[str, str]:
    """Of each picture: from its folders, else its annotation's file, else lists such as ImageSets/Main/train.txt."""
    splits = dict(found.splits)
    for picture in place.pictures:
        named = [split for part in picture.split("/")[:-1] if (split := split_of(part))]
        if named:
            splits[picture] = named[0]
    if not splits:
        # The lists of one class each (`cat_train.txt`) name the same pictures with whether they show it.
        lists = [one for one in split_lists(place) if not any(line.rest for line in one.lines)]
        for one in sorted(lists, key=lambda one: one.split == "train"):  # val and test count before trainval
            for line in one.lines:
                splits.setdefault(line.picture, one.split)
    return splits


def _names_tell_more(place: Place, found: _Found) -> bool:
    """Whether names like `{label}_{id}.jpg` hold several classes that are words, as breeds beside boxes of cats."""
    named = FLAT_NAMES.recognise(place, {})
    if not isinstance(named, Layout):
        return False
    labels = [entry.label or "" for entry in named.entries]
    return len(set(labels)) > 1 and not any(label.isdigit() for label in labels) and 2 * len(set(labels)) <= len(labels)


def _xml(place: Place, options: Options) -> _Found | None:
    files = [other for other in place.others if other.lower().endswith(".xml")]
    voc, cvat = _Found("Pascal VOC, .xml"), _Found("CVAT, .xml")
    for file in files:
        try:
            tree = _parsed(read_bytes(place.root / file, TABLE))
        except (UserError, ElementTree.ParseError, ValueError) as error:
            voc.problems.append(Problem(file, f"cannot be read as XML: {error}"))
            continue
        if tree.tag == "annotation":
            names = [one.findtext("name") or "" for one in tree.iter("object")]
            voc.add(place, file, tree.findtext("filename") or PurePosixPath(file).stem, names)
        elif tree.tag == "annotations":
            for image in tree.iter("image"):
                names = [str(one.get("label") or "") for one in image]
                split = split_of(image.get("subset") or "") or ""
                cvat.add(place, file, image.get("name") or "", names, split)
    best = max((voc, cvat), key=lambda one: len(one.names))
    return best if best.names else None


def _parsed(content: bytes) -> ElementTree.Element:
    """An XML document. Raises ValueError for one that declares entities, which could grow without end."""
    if b"<!ENTITY" in content or b"<!DOCTYPE" in content:
        raise ValueError("it declares entities of its own")
    return ElementTree.fromstring(content)


def _json(place: Place, options: Options) -> _Found | None:
    stems = {str(PurePosixPath(picture).with_suffix("")) for picture in place.pictures}
    files = [other for other in place.others if other.lower().endswith(".json")]
    beside = [file for file in files if str(PurePosixPath(file).with_suffix("")) in stems]
    labelme, coco = _Found("LabelMe, .json beside each picture"), _Found("COCO instances")
    for file in beside:
        document = _document(place, file, labelme)
        shapes = document.get("shapes")
        if isinstance(shapes, list):
            names = [str(shape.get("label") or "") for shape in shapes if isinstance(shape, dict)]
            # LabelMe keeps flags of the whole picture beside the shapes.
            flags = document.get("flags")
            names += [str(flag) for flag, is_set in flags.items() if is_set is True] if isinstance(flags, dict) else []
            labelme.add(place, file, PurePosixPath(file).stem, names)
    if labelme.names:
        return labelme
    for file in [file for file in files if file not in beside][:_MOST_DOCUMENTS]:
        _add_coco(place, file, coco)
    return coco if coco.names else None


def _add_coco(place: Place, file: str, coco: _Found) -> None:
    document = _document(place, file, coco)
    images, objects, categories = (document.get(key) for key in ("images", "annotations", "categories"))
    if not (isinstance(images, list) and isinstance(objects, list) and isinstance(categories, list)):
        return
    called = {one.get("id"): str(one.get("name") or "") for one in categories if isinstance(one, dict)}
    of_image: dict[object, list[str]] = defaultdict(list)
    for one in objects:
        if isinstance(one, dict) and isinstance(one.get("category_id"), int | str):
            of_image[str(one.get("image_id"))].append(called.get(one["category_id"], ""))
    if not of_image:
        return
    split = split_in_name(PurePosixPath(file).stem)
    split = split or next((named for part in file.split("/")[:-1] if (named := split_of(part))), "")
    for image in images:
        if isinstance(image, dict) and image.get("file_name"):
            coco.add(place, file, str(image["file_name"]), of_image.get(str(image.get("id")), []), split)


def _via(place: Place, options: Options) -> _Found | None:
    documents: list[tuple[str, list[ViaPicture]]] = []
    unread = _Found("VIA")
    for file in place.others:
        ending = PurePosixPath(file).suffix.lower()
        if ending == ".json" and len(documents) < _MOST_DOCUMENTS:
            documents.append((file, pictures_of_document(_document(place, file, unread))))
        elif ending == ".csv" and is_via_table(first_cells(place.root / file)):
            documents.append((file, pictures_of_table(read_table(place.root / file))))
    pictures = [picture for _, own in documents for picture in own]
    if not pictures:
        return None
    found = _Found("VIA")
    attribute = attribute_of(pictures)
    if "attribute" in options:
        names = {name for one in pictures for own in (*one.regions, one.whole) for name in own}
        if options["attribute"] not in names:
            raise UserError(
                f"VIA's regions have no attribute {options['attribute']!r}; they have {listed(sorted(names))}."
            )
        attribute = options["attribute"], any(options["attribute"] in own for one in pictures for own in one.regions)
    if isinstance(attribute, list):
        found.why = (
            f"VIA's regions have the attributes {listed(attribute)}: choose with --as objects:attribute={attribute[0]}"
            if attribute
            else "VIA's regions have no attribute that names a class"
        )
        return found
    name, of_regions = attribute
    for file, own in documents:
        folders = file.split("/")[:-1]
        split = split_in_name(PurePosixPath(file).stem)
        split = split or next((named for part in folders if (named := split_of(part))), "")
        for one in own:
            said = [
                value for held in (one.regions if of_regions else [one.whole]) for value in values_of(held.get(name))
            ]
            found.add(place, file, one.name, said, split)
    return found


def _document(place: Place, file: str, found: _Found) -> dict[str, Any]:
    try:
        document = parse_json(read_bytes(place.root / file, CAPTIONS), file)
    except (UserError, Malformed) as error:
        found.problems.append(Problem(file, f"cannot be read as JSON: {error}"))
        return {}
    return document if isinstance(document, dict) else {}


def _yolo(place: Place, options: Options) -> _Found | None:
    names = _yolo_names(place)
    stems = {PurePosixPath(picture).stem for picture in place.pictures}
    files = [one for one in place.others if one.endswith(".txt") and PurePosixPath(one).stem in stems]
    if not names or not files:
        return None
    found = _Found("YOLO, labels/*.txt")
    for file in files:
        lines = [line for line in read_decoded(place.root / file, TABLE).text.split("\n") if line.strip()]
        if not all(_LINE.fullmatch(line) for line in lines):
            return None
        numbers = [int(line.split()[0]) for line in lines]
        folder = PurePosixPath(file).parent
        split = next((named for part in folder.parts if (named := split_of(part))), "")
        beyond = [number for number in numbers if number >= len(names)]
        if beyond:
            found.problems.append(Problem(file, f"names class {beyond[0]}, but there are {len(names)} names"))
            continue
        picture = str(folder / PurePosixPath(file).stem).replace("labels", "images")
        found.add(place, file, picture, [names[number] for number in numbers], split)
    return found


def _yolo_names(place: Place) -> list[str]:
    """The classes by number, from 0: of data.yaml, classes.txt or obj.names."""
    for other in place.others:
        if PurePosixPath(other).name.lower() in _NAME_FILES:
            found = parse_class_names(read_decoded(place.root / other, TABLE).text, other)
            names = list(found.in_order) or [name for _, name in sorted(found.by_number.items())]
            if names:
                return names
    return []


FORM = Form(
    name="objects",
    phrase="objects by name in the files of Pascal VOC, LabelMe, CVAT, COCO, VIA or YOLO",
    priority=15,
    recognise=_recognise,
    options={SEVERAL: HELP, "attribute": "the attribute of VIA that is the label"},
    choices=lambda place: ({SEVERAL: "yes"},),
)
