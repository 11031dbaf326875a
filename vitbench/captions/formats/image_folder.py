"""Captions in Hugging Face's `metadata.csv` or `metadata.jsonl`, beside the pictures or above the splits."""

import csv
import io
from collections.abc import Iterable
from pathlib import PurePosixPath

from vitbench.captions.formats.base import KEYS, CaptionFormat, CaptionPlace, Recognised, captions_in, merged
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.dialects import delimiter_of
from vitbench.data.layouts.base import Declined
from vitbench.data.tables import METADATA
from vitbench.files.parsing import Malformed, parse_json

_KEYS = ("text", *KEYS.caption)


def has_captions(name: str, text: str) -> bool:
    """Whether a metadata file has a column of captions (one for classes has a label instead)."""
    if name.endswith(".csv"):
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)), [])
        return any(key in [cell.strip() for cell in header] for key in _KEYS)
    first = next((line for line in text.split("\n") if line.strip()), "")
    return any(f'"{key}"' in first for key in _KEYS)


def read_metadata(place: CaptionPlace, name: str) -> Rows:
    """Rows with `file_name` (relative to the file's folder) and a caption, or a list of captions."""
    rows = Rows()
    decoded = place.text(name)
    rows.notes += [f"{name} {decoded.doubt}"] if decoded.doubt else []
    folder = PurePosixPath(name).parent
    csv_file = name.endswith(".csv")
    entries = _csv_entries(decoded.text) if csv_file else _json_entries(decoded.text, name, rows)
    for line, entry in entries:
        where = f"{name}, line {line}"
        file = entry.get("file_name")
        captions = next((entry[key] for key in _KEYS if entry.get(key)), None)
        for caption in captions_in(captions) or [None]:
            picture = (folder / file).as_posix() if isinstance(file, str) and file else None
            rows.add(picture, caption, split_of(str(folder)), where)
    return rows


def _csv_entries(text: str) -> Iterable[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    for entry in reader:
        yield reader.line_num, entry


def _json_entries(text: str, name: str, rows: Rows) -> Iterable[tuple[int, dict[str, object]]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            entry = parse_json(content, name, line, allow_nan=True)
        except Malformed as error:
            rows.problems.append(f"{name}, line {line}: not valid JSON ({error.reason})")
            continue
        if isinstance(entry, dict):
            yield line, entry
        else:
            rows.problems.append(f"{name}, line {line}: not an object")


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    files = [place.file.name] if place.file else [o for o in place.others if PurePosixPath(o).name in METADATA]
    files = [name for name in files if PurePosixPath(name).suffix in (".csv", ".jsonl")]
    found = [
        Recognised("image folder with metadata", read_metadata(place, name))
        for name in files
        if has_captions(name, place.text(name).text) and "file_name" in place.text(name).text[:2000]
    ]
    return merged(found) if found else Declined("there is no metadata.csv or metadata.jsonl with captions")


FORMAT = CaptionFormat("caption-metadata", "metadata.csv or metadata.jsonl with captions", 60, _recognise)
