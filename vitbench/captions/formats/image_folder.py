"""Sentences kept with the pictures: Hugging Face's `metadata.csv` or `.jsonl`, or `stem.txt` beside each picture."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vitbench.captions.formats.rows import Rows, read_text, split_of

_SENTENCE_KEYS = ("text", "caption", "captions", "sentence", "sentences", "prompt", "description", "additional_feature")


def metadata_files(root: Path) -> list[Path]:
    """The metadata files of a folder and of the folders in it."""
    return sorted(file for ending in ("csv", "jsonl") for file in root.rglob(f"metadata.{ending}"))


def has_sentences(file: Path) -> bool:
    """Whether a metadata file has a column of sentences (one for classes has a label instead)."""
    if file.suffix == ".csv":
        return any(key in _header(read_text(file)) for key in _SENTENCE_KEYS)
    first = next((line for line in read_text(file).splitlines() if line.strip()), "")
    return any(f'"{key}"' in first for key in _SENTENCE_KEYS)


def read_metadata(file: Path, root: Path) -> Rows:
    """Rows with `file_name` (relative to the file's folder) and a sentence, or a list of sentences."""
    rows = Rows()
    text = read_text(file)
    folder = file.parent.relative_to(root)
    entries = _csv_entries(text) if file.suffix == ".csv" else _json_entries(text, file, rows)
    for line, entry in entries:
        where = f"{folder / file.name}, line {line}"
        name = entry.get("file_name")
        sentences = next((entry[key] for key in _SENTENCE_KEYS if entry.get(key)), None)
        for sentence in sentences if isinstance(sentences, list) and sentences else [sentences]:
            rows.add(
                (folder / name).as_posix() if isinstance(name, str) and name else None,
                sentence,
                split_of(str(folder)),
                where,
            )
    return rows


def _header(text: str) -> list[str]:
    return next(csv.reader(text.splitlines()[:1]), [])


def _csv_entries(text: str) -> Iterable[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines(keepends=True))
    for entry in reader:
        yield reader.line_num, entry


def _json_entries(text: str, file: Path, rows: Rows) -> Iterable[tuple[int, dict[str, Any]]]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            entry = json.loads(content)
        except json.JSONDecodeError as error:
            rows.problems.append(f"{file.name}, line {line}: not valid JSON ({error.msg})")
            continue
        if isinstance(entry, dict):
            yield line, entry
        else:
            rows.problems.append(f"{file.name}, line {line}: not an object")


def read_sidecars(pictures: Iterable[Path], root: Path) -> Rows:
    """`stem.txt` beside a picture: each of its lines is a sentence. `pictures` are relative to `root`."""
    rows = Rows()
    for picture in pictures:
        file = root / picture.with_suffix(".txt")
        if file.is_file():
            for number, line in enumerate(read_text(file).splitlines(), start=1):
                if line.strip():
                    split = split_of(picture.parts[0]) if len(picture.parts) > 1 else ""
                    rows.add(picture.as_posix(), line, split, f"{picture.with_suffix('.txt')}, line {number}")
    return rows
