"""Captions in JSON without a standard: `[{"image": ..., "caption": ...}]`, `{"a.jpg": ["...", ...]}`, JSON lines."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from vitbench.captions.formats.base import (
    KEYS,
    CaptionFormat,
    CaptionPlace,
    Recognised,
    captions_in,
    found_keys,
    merged,
)
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.layouts.base import Declined
from vitbench.data.pictures import picture_extensions
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json

_LISTS = ("annotations", "data", "images", "captions", "items", "samples", "train", "val", "test")


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    found, near = [], []
    for name, document in place.documents.items():
        if document.problem:
            near.append(document.problem)
            continue
        rows = _read(place.root / name, document.value)
        if isinstance(rows, str):
            near.append(f"{name} {rows}")
        elif rows.captions:
            found.append(Recognised("JSON of pictures and captions", rows))
    for name in place.files(".jsonl", ".ndjson", deepest=1):
        if PurePosixPath(name).name == "metadata.jsonl":
            continue
        rows = _read_lines(place, name)
        if rows.captions:
            found.append(Recognised("JSON lines of pictures and captions", rows))
    if found:
        return merged(found)
    return Declined("; ".join(near[:3]) or "no JSON file names pictures and captions", near=bool(near))


def _read(file: Path, document: Any) -> Rows | str:
    """The rows of a document; a text says what was found and what is missing."""
    split = split_of(file.stem)
    if isinstance(document, list):
        return _read_objects(file, "", document, split)
    if not isinstance(document, dict):
        return "holds neither a list nor an object"
    if document and all(_is_picture(name) for name in list(document)[:20]):
        return _read_names(file, document, split)
    lists = [(key, document[key]) for key in _LISTS if isinstance(document.get(key), list) and document[key]]
    if isinstance(document.get("images"), list):
        names = [entry for entry in document["images"][:5] if isinstance(entry, dict)]
        if "annotations" not in document and names and not any(_caption(entry) for entry in names):
            return (
                f"lists {len(document['images']):,} pictures as COCO does, but has no list 'annotations':"
                " their captions are missing (captions_*.json holds them)"
            )
    together = Rows()
    for key, entries in lists:
        rows = _read_objects(file, key, entries, split_of(key) or split)
        if isinstance(rows, Rows):
            together.merge(rows)
    if together.captions:
        return together
    some = next((entries[0] for _, entries in lists if isinstance(entries[0], dict)), None)
    inner = f", and objects with {found_keys(some)}" if some is not None else ""
    return f"has the keys {found_keys(document)}{inner}: no captions are among them"


def _read_objects(file: Path, key: str, entries: list[Any], split: str) -> Rows | str:
    rows = Rows()
    objects = [entry for entry in entries[:20] if isinstance(entry, dict)]
    if not any(_caption(entry) and _picture(entry) for entry in objects):
        found = found_keys(objects[0]) if objects else "no objects"
        return f"is a list of objects with {found}: it needs a picture (image, file_name) and a caption"
    for number, entry in enumerate(entries):
        _add(rows, entry, split, f"{file.name}: {key}[{number}]")
    return rows


def _add(rows: Rows, entry: Any, split: str, where: str) -> None:
    if not isinstance(entry, dict):
        rows.problems.append(f"{where}: not an object")
        return
    picture = next((entry[key] for key in KEYS.picture if _names_picture(entry.get(key))), None)
    key = _caption(entry)
    own = next((split_of(entry[key]) for key in KEYS.split if isinstance(entry.get(key), str)), "")
    for caption in captions_in(entry.get(key) if key else None):
        rows.add(str(picture) if picture is not None else None, caption, own or split, where)


def _read_names(file: Path, document: dict[str, Any], split: str) -> Rows:
    rows = Rows()
    for name, value in document.items():
        for caption in captions_in(value):
            rows.add(name, caption, split, f"{file.name}: {name}")
    return rows


def _read_lines(place: CaptionPlace, name: str) -> Rows:
    rows = Rows()
    try:
        text = place.text(name)
    except UserError as error:
        rows.problems.append(str(error))
        return rows
    entries = list(_lines(text.text, name, rows))
    if any(isinstance(entry, dict) and _caption(entry) and _picture(entry) for _, entry in entries[:20]):
        for line, entry in entries:
            _add(rows, entry, split_of(PurePosixPath(name).stem), f"{name}, line {line}")
    return rows


def _lines(text: str, name: str, rows: Rows) -> Iterator[tuple[int, Any]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                yield line, parse_json(content, name, line, allow_nan=True)
            except Malformed as error:
                rows.problems.append(f"{name}, line {line}: not valid JSON ({error.reason})")


def _caption(entry: dict[str, Any]) -> str | None:
    return next((key for key in KEYS.caption if isinstance(entry.get(key), str | list) and entry[key]), None)


def _picture(entry: dict[str, Any]) -> bool:
    return any(_names_picture(entry.get(key)) for key in KEYS.picture)


def _names_picture(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and bool(str(value).strip())


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in picture_extensions()


FORMAT = CaptionFormat("caption-json", "JSON of pictures and captions, as a list or by name", 70, _recognise)
