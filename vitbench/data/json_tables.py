"""Shapes in which people keep names of pictures and their labels in one JSON document, as a list of objects."""

import re
from collections.abc import Mapping
from typing import Any

_SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
_PICTURE = "filename"


def objects_of(document: Any) -> list[Any] | None:
    """The rows of a document, an object each; None if it is of no shape that is known.

    A list; `{name: label}`; `{name: {...}}`; `{label: [names]}`; each of these below the names of splits; a list of
    `[name, label]` or of objects below one key (StyleGAN's `dataset.json`); Label Studio's tasks.
    """
    if isinstance(document, list):
        return [_task(one) for one in document]
    if not isinstance(document, dict) or not document or any(str(key).startswith("_via") for key in document):
        return None
    if all(str(key).lower() in _SPLITS for key in document):
        return _of_splits(document)
    if len(document) == 1:
        (inner,) = document.values()
        if isinstance(inner, list) and inner and all(isinstance(one, dict | list) for one in inner):
            return [_pair(one) for one in inner]
    values = list(document.values())
    if all(isinstance(value, str | int) for value in values):
        return [{_PICTURE: name, "label": value} for name, value in document.items()]
    if all(isinstance(value, dict) and "regions" not in value for value in values):  # regions are VIA's objects
        return [{_PICTURE: name, **value} for name, value in document.items()]
    if all(isinstance(value, list) and value and all(map(_is_file, value)) for value in values):
        return [{_PICTURE: name, "label": label} for label, names in document.items() for name in names]
    return None


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the objects in it: their values stand under their own keys, where the row has no such key."""
    found = {key: value for key, value in row.items() if not isinstance(value, dict)}
    for value in row.values():
        if isinstance(value, dict):
            found = {key: inner for key, inner in value.items() if not isinstance(inner, dict)} | found
    return found


def _is_file(one: Any) -> bool:
    """Whether a text has an ending, as names of files have and synsets and words have not."""
    return isinstance(one, str) and bool(re.search(r"\w\.\w{2,5}$", one))


def _of_splits(document: Mapping[str, Any]) -> list[Any] | None:
    found: list[Any] = []
    for split, inner in document.items():
        if isinstance(inner, list) and all(isinstance(one, str) for one in inner):
            return None  # names alone: a list of splits and no labels
        rows = objects_of(inner)
        if rows is None:
            return None
        found += [{**row, "split": split} if isinstance(row, dict) else row for row in rows]
    return found


def _pair(one: Any) -> Any:
    """`[name, label]` as an object; anything else as it is."""
    if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str):
        return {_PICTURE: one[0], "label": one[1]}
    return one


def _task(one: Any) -> Any:
    """A task of Label Studio as an object of its data and its first choice; anything else as it is."""
    if not isinstance(one, dict) or not isinstance(one.get("data"), dict):
        return _pair(one)
    made = [*_list(one.get("annotations")), *_list(one.get("completions"))]
    results = [result for annotation in made for result in _list(_value(annotation, "result"))]
    choices = [choice for result in results for choice in _list(_value(_value(result, "value"), "choices"))]
    return {**one["data"], "label": choices[0] if len(choices) == 1 else choices} if choices else dict(one["data"])


def _value(one: Any, key: str) -> Any:
    return one.get(key) if isinstance(one, dict) else None


def _list(one: Any) -> list[Any]:
    return one if isinstance(one, list) else []
