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

_FIRST_ANSWER = "of several answers about a picture the first is its caption: *"
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
        elif rows.problems:
            near.append(rows.problems[0])
    for name in place.files(".jsonl", ".ndjson", deepest=1):
        if PurePosixPath(name).name == "metadata.jsonl":
            continue
        read = _read_lines(place, name)
        if isinstance(read, str):
            near.append(f"{name} {read}")
        elif read.captions:
            found.append(Recognised("JSON lines of pictures and captions", read))
    if found:
        return merged(found)
    return Declined("; ".join(near[:3]) or "no JSON file names pictures and captions", near=bool(near))


def _read(file: Path, document: object) -> Rows | str:
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
    if beside := _lists_beside(document):
        return _read_beside(file, document, *beside, split)
    some = next((entries[0] for _, entries in lists if isinstance(entries[0], dict)), None)
    inner = f", and objects with {found_keys(some)}" if some is not None else ""
    return f"has the keys {found_keys(document)}{inner}: no captions are among them"


def _read_objects(file: Path, key: str, entries: list[object], split: str) -> Rows | str:
    rows = Rows()
    objects = [entry for entry in entries[:20] if isinstance(entry, dict)]
    if not any(_captions(entry) and _picture(entry) for entry in objects):
        found = found_keys(objects[0]) if objects else "no objects"
        if objects and isinstance(objects[0].get("regions"), list):
            return "describes regions of pictures, and no whole ones: write a CSV of image and caption"
        return f"is a list of objects with {found}: it needs a picture (image, file_name) and a caption"
    for number, entry in enumerate(entries):
        _add(rows, entry, split, f"{file.name}: {key}[{number}]")
    return rows


def _add(rows: Rows, entry: object, split: str, where: str) -> None:
    if not isinstance(entry, dict):
        rows.problems.append(f"{where}: not an object")
        return
    picture = _picture(entry)
    own = rows.split_named(next((entry[key] for key in KEYS.split if isinstance(entry.get(key), str)), ""))
    if len(_answers(entry)) > 1 and not _caption(entry):
        rows.changes.setdefault(_FIRST_ANSWER, []).append(where)
    for caption in captions_in(_captions(entry)):
        rows.add(picture, caption, own or split, where)


def _read_names(file: Path, document: dict[str, object], split: str) -> Rows:
    rows = Rows()
    for name, value in document.items():
        for caption in captions_in(value):
            rows.add(name, caption, split, f"{file.name}: {name}")
    return rows


def _lists_beside(document: dict[str, object]) -> tuple[str, str] | None:
    """The keys of a list of pictures and of a list of captions that are equally long (SBU: image_urls, captions)."""
    lists = {
        key: value
        for key, value in document.items()
        if isinstance(value, list) and value and all(isinstance(one, str) for one in value[:20])
    }
    captions = next((key for key in KEYS.caption if key in lists), None)
    pictures = [key for key in lists if all(_is_picture(one.partition("?")[0]) for one in lists[key][:20])]
    if captions is None or not pictures or len(lists[pictures[0]]) != len(lists[captions]):
        return None
    return pictures[0], captions


def _read_beside(file: Path, document: dict[str, Any], pictures: str, captions: str, split: str) -> Rows:
    rows = Rows()
    for number, (name, caption) in enumerate(zip(document[pictures], document[captions], strict=True)):
        rows.add(str(name).partition("?")[0], caption, split, f"{file.name}: {captions}[{number}]")
    return rows


def _read_lines(place: CaptionPlace, name: str) -> Rows | str:
    rows = Rows()
    try:
        text = place.text(name)
    except UserError as error:
        rows.problems.append(str(error))
        return rows
    entries = list(_lines(text.text, name, rows))
    objects = [entry for _, entry in entries[:20] if isinstance(entry, dict)]
    if any(_captions(entry) and _picture(entry) for entry in objects):
        for line, entry in entries:
            _add(rows, entry, split_of(PurePosixPath(name).stem), f"{name}, line {line}")
    elif objects:
        return f"has lines with {found_keys(objects[0])}: it needs a picture (image, file_name) and a caption"
    return rows


def _lines(text: str, name: str, rows: Rows) -> Iterator[tuple[int, object]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                yield line, parse_json(content, name, line, allow_nan=True)
            except Malformed as error:
                rows.problems.append(f"{name}, line {line}: not valid JSON ({error.reason})")


def _caption(entry: dict[str, object]) -> str | None:
    return next((key for key in KEYS.caption if isinstance(entry.get(key), str | list) and entry[key]), None)


def _captions(entry: dict[str, object]) -> object:
    """What holds the captions of an object; of a conversation about the picture it is the first answer."""
    key = _caption(entry)
    return entry[key] if key else next(iter(_answers(entry)), None)


def _answers(entry: dict[str, object]) -> list[str]:
    """What the assistant says in a conversation (LLaVA's `conversations`, `messages` of chat data)."""
    said_by = (entry.get(key) for key in ("conversations", "messages"))
    turns = next((turns for turns in said_by if isinstance(turns, list)), [])
    found = []
    for turn in turns:
        if isinstance(turn, dict) and turn.get("from", turn.get("role")) in ("gpt", "assistant", "model"):
            said = turn.get("value", turn.get("content"))
            if isinstance(said, list):  # parts, of which some are texts
                said = " ".join(str(part.get("text", "")) for part in said if isinstance(part, dict))
            if isinstance(said, str) and said.strip():
                found.append(said)
    return found


def _picture(entry: dict[str, object]) -> str | None:
    """The picture that an object names; of a list of pictures the only one."""
    named = next((entry[key] for key in KEYS.picture if _names_picture(entry.get(key))), None)
    several = entry.get("images")
    if isinstance(several, list) and len(several) == 1 and _names_picture(several[0]):
        named = several[0]
    return None if named is None else str(named)


def _names_picture(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and bool(str(value).strip())


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in picture_extensions()


FORMAT = CaptionFormat("caption-json", "JSON of pictures and captions, as a list or by name", 70, _recognise)
