"""COCO captions (and instances, for masks); later homeworks' `train.json` and `val.json` have the same shape."""

import json
from pathlib import Path
from typing import Any

from vitbench.captions.formats.rows import Region, Rows, dictionaries, read_json, read_text, split_of
from vitbench.data.scenes import Word


def is_coco_captions(document: Any) -> bool:
    """Whether a JSON document lists images, and annotations of which one of the first ten has a caption."""
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    annotations = document.get("annotations")
    return isinstance(annotations, list) and any(isinstance(a, dict) and "caption" in a for a in annotations[:10])


def read_coco(captions: Path, instances: Path | None = None, document: Any = None) -> Rows:
    """The sentences of a captions file, with the masks of an instances file; entries that fit nothing are problems."""
    rows = Rows()
    split = split_of(captions.stem)
    document = read_json(captions) if document is None else document
    names = _names(document, captions, rows)
    for where, entry in dictionaries(document, "annotations", captions, rows):
        picture = names.get(_identifier(entry.get("image_id")))
        if picture is None:
            rows.problems.append(f"{where}: image_id {entry.get('image_id')!r} is no picture of the file")
        else:
            rows.add(picture, entry.get("caption"), split, where)
    if instances is not None:
        read_instances(instances, split, rows)
    return rows


def _names(document: Any, file: Path, rows: Rows) -> dict[str, str]:
    names = {}
    for where, entry in dictionaries(document, "images", file, rows):
        name = entry.get("file_name")
        if isinstance(name, str) and name and "id" in entry:
            names[_identifier(entry["id"])] = name
        else:
            rows.problems.append(f"{where}: no file_name or no id")
    return names


def _identifier(value: Any) -> str:
    # Some writers give numbers in one list and strings in the other.
    return str(value)


def read_instances(file: Path, split: str, rows: Rows) -> None:
    """Adds the object masks of an instances file to `rows.regions`; entries that fit nothing are problems."""
    document = read_json(file)
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
        height, width = sizes.get(image, (None, None))
        if image not in names or category is None:
            rows.problems.append(f"{where}: its picture or its category is not in the file")
        elif not isinstance(height, int) or not isinstance(width, int) or not entry.get("segmentation"):
            rows.problems.append(f"{where}: no segmentation, or no size of its picture")
        else:
            region = Region(category, entry["segmentation"], height, width)
            rows.regions.setdefault((split, names[image]), []).append(region)


def read_scene_truths(file: Path, rows: Rows) -> None:
    """The words of each scene with their roles and objects, from the `scenes_*.jsonl` that Scenes writes beside COCO.

    The objects of a word count through the picture's regions.
    """
    split = split_of(file.stem)
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        try:
            entry = json.loads(line)
            words = tuple(
                Word(str(w["text"]), str(w["role"]), tuple(map(int, w["objects"])), bool(w["background"]))
                for w in entry["words"]
            )
            rows.truths[(split, str(entry["file_name"]))] = words
        except (ValueError, KeyError, TypeError) as error:
            rows.problems.append(f"{file.name}, line {number}: no truth of a scene ({error})")
