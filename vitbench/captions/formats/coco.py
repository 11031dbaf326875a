"""COCO captions (and instances, for masks); later homeworks' `train.json` and `val.json` have the same shape."""

from pathlib import Path
from typing import Any

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised, merged
from vitbench.captions.formats.rows import Region, Rows, dictionaries, split_of
from vitbench.data.encodings import read_decoded
from vitbench.data.layouts.base import Declined
from vitbench.data.scenes import Word
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import CAPTIONS

_REFUSED = ("is_rejected", "is_precanned")
"""VizWiz: a ready-made sentence stands where an annotator saw too little."""


def is_coco_captions(document: Any) -> bool:
    """Whether a JSON document lists images, and annotations of which one of the first ten has a caption."""
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    annotations = document.get("annotations")
    return isinstance(annotations, list) and any(isinstance(a, dict) and "caption" in a for a in annotations[:10])


def read_coco(captions: Path, instances: Path | None = None, document: Any = None) -> Rows:
    """The captions of a captions file, with the masks of an instances file; entries that fit nothing are problems."""
    rows = Rows()
    split = split_of(captions.stem)
    document = _document(captions) if document is None else document
    names = _names(document, captions, rows)
    for where, entry in dictionaries(document, "annotations", captions, rows):
        picture = names.get(_identifier(entry.get("image_id")))
        if picture is None:
            rows.problems.append(f"{where}: image_id {entry.get('image_id')!r} is not a picture of the file")
        elif refused := [key for key in _REFUSED if entry.get(key) is True]:
            rows.problems.append(f"{where}: its annotators could not describe {picture} ({refused[0]})")
        else:
            rows.add(picture, entry.get("caption"), split, where)
    if instances is not None:
        read_instances(instances, split, rows)
    return rows


def _names(document: Any, file: Path, rows: Rows) -> dict[str, str]:
    """Identifier to file name. Pictures that share one identifier are left out: whose a caption is cannot be told."""
    names: dict[str, str] = {}
    shared: dict[str, list[str]] = {}
    for where, entry in dictionaries(document, "images", file, rows):
        name = entry.get("file_name")
        if not (isinstance(name, str) and name and "id" in entry):
            rows.problems.append(f"{where}: no file_name or no id")
            continue
        identifier = _identifier(entry["id"])
        if names.setdefault(identifier, name) != name:
            shared.setdefault(identifier, [names[identifier]]).append(name)
    for identifier, several in shared.items():
        del names[identifier]
        pictures = ", ".join(dict.fromkeys(several))
        rows.problems.append(
            f"{file.name}: the pictures {pictures} have the same id, {identifier}, so what is said of it is left out"
        )
    return names


def _identifier(value: Any) -> str:
    # Some writers give numbers in one list and strings in the other, or 7.0 for 7.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def side_of(value: Any) -> int:
    """A height or width as a whole number, however it is written; 0 if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0
    return int(number) if number.is_integer() and 0 < number < 1e6 and not isinstance(value, bool) else 0


def _box(value: Any) -> tuple[float, float, float, float] | None:
    try:
        left, top, width, height = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return (left, top, width, height) if width > 0 and height > 0 else None


def read_instances(file: Path, split: str, rows: Rows) -> None:
    """Adds the object masks of an instances file to `rows.regions`; entries that fit nothing are problems."""
    document = _document(file)
    names = _names(document, file, rows)
    sizes = {
        _identifier(entry.get("id")): (entry.get("height"), entry.get("width"))
        for _, entry in dictionaries(document, "images", file, rows)
    }
    categories = {
        _identifier(entry.get("id")): str(entry.get("name"))
        for _, entry in dictionaries(document, "categories", file, rows)
    }
    for where, entry in dictionaries(document, "annotations", file, rows):
        image = _identifier(entry.get("image_id"))
        category = categories.get(_identifier(entry.get("category_id")))
        height, width = (side_of(side) for side in sizes.get(image, (None, None)))
        if image not in names or category is None:
            rows.problems.append(f"{where}: its picture or its category is not in the file")
        elif not entry.get("segmentation"):
            only = " (only a box)" if entry.get("bbox") else ""
            rows.problems.append(f"{where}: no segmentation{only}")
        else:
            region = Region(category, entry["segmentation"], height, width, where, _box(entry.get("bbox")))
            rows.regions.setdefault((split, names[image]), []).append(region)


def read_scene_truths(file: Path, rows: Rows) -> None:
    """The words of each scene with their roles and objects, from the `scenes_*.jsonl` that Scenes writes beside COCO.

    The objects of a word count through the picture's regions.
    """
    split = split_of(file.stem)
    for number, line in enumerate(read_decoded(file, CAPTIONS).text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line, file.name, number)
            words = tuple(
                Word(str(w["text"]), str(w["role"]), tuple(map(int, w["objects"])), bool(w["background"]))
                for w in entry["words"]
            )
            rows.truths[(split, str(entry["file_name"]))] = words
        except (UserError, ValueError, KeyError, TypeError, OverflowError) as error:
            rows.problems.append(f"{file.name}, line {number}: no truth of a scene ({error})")


def _document(file: Path) -> Any:
    """The JSON document in `file`. Raises UserError with the place if it is broken."""
    try:
        return parse_json(read_decoded(file, CAPTIONS).text, str(file), allow_nan=True)
    except Malformed as error:
        raise UserError(f"{file} is not valid JSON ({error.place}{error.reason}).") from error


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    found = [
        _with_companions(place, name, document.value)
        for name, document in place.documents.items()
        if is_coco_captions(document.value) and not Path(name).name.startswith("instances_")
    ]
    if found:
        return merged(found)
    return Declined("no JSON file has images, and annotations with captions")


def _with_companions(place: CaptionPlace, name: str, document: Any) -> Recognised:
    """The captions with the masks beside them, and with the truth of scenes."""
    file = place.root / name
    instances = file.with_name(file.name.replace("captions", "instances"))
    with_masks = instances != file and instances.is_file()
    title = "COCO captions with instances" if with_masks else "COCO captions"
    rows = read_coco(file, None, document)
    if with_masks:
        try:
            read_instances(instances, split_of(file.stem), rows)
        except UserError as error:
            rows.problems.append(f"{instances.name}: no masks are read ({str(error).rstrip('.')})")
            title = "COCO captions"
    scenes = file.with_name(file.name.replace("captions", "scenes")).with_suffix(".jsonl")
    if scenes.is_file():
        title = "Scenes"
        read_scene_truths(scenes, rows)
    return Recognised(title, rows)


FORMAT = CaptionFormat("coco", "COCO captions", 80, _recognise)
