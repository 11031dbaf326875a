"""Tables of file names and labels: CSV, TSV and JSON lines, as courses and Hugging Face write them."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from vitbench.data.pictures import picture_extensions
from vitbench.data.problems import Problem
from vitbench.errors import UserError

METADATA = ("metadata.csv", "metadata.jsonl")
FILE_COLUMNS = ("filename", "file_name", "file", "image", "image_path", "filepath", "path")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target")
SPLIT_COLUMNS = ("split", "subset")


@dataclass(frozen=True)
class Row:
    """One row: the file as it is written there, the label and the split (empty if there is none)."""

    file: str
    label: str
    split: str
    line: int


@dataclass(frozen=True)
class Table:
    """The rows of one file, and what is wrong in it."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def has_labels(path: Path) -> bool:
    """Whether the table names files and labels, judged by its first row."""
    try:
        with _open(path) as stream:
            if path.suffix == ".jsonl":
                first = json.loads(stream.readline())
                return isinstance(first, dict) and _columns(list(first)) is not None
            header = next(csv.reader(stream, delimiter=_delimiter(path)), [])
    except (OSError, csv.Error, json.JSONDecodeError):
        return False
    return _columns(header) is not None or _is_row(header)


def read_table(path: Path) -> Table:
    """All rows of a CSV, TSV or JSON lines file. Raises UserError if it has no columns for files and labels."""
    try:
        with _open(path) as stream:
            read = _read_json_lines if path.suffix == ".jsonl" else _read_csv
            rows, problems = read(path, stream)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    return Table(tuple(rows), tuple(problems))


def _read_csv(path: Path, stream: TextIO) -> tuple[list[Row], list[Problem]]:
    reader = csv.reader(stream, delimiter=_delimiter(path))
    rows: list[Row] = []
    problems: list[Problem] = []
    columns: tuple[int, int, int | None] | None = None
    line = 0
    try:
        for line, cells in _with_lines(reader):
            if columns is None:
                columns = _columns(cells)
                if columns:
                    continue
                if not _is_row(cells):
                    raise _no_columns(path, cells)
                columns = 0, 1, None
            if not any(cells):
                continue
            file, label, split = (cells[column] if column is not None and column < len(cells) else ""
                                  for column in columns)  # fmt: skip
            if file:
                rows.append(Row(file, label.strip(), split.strip(), line))
            else:
                problems.append(Problem(path.name, f"names no file (line {line})"))
    except csv.Error as error:
        raise UserError(f"{path} is no readable table after line {line}: {error}.") from error
    return rows, problems


def _read_json_lines(path: Path, stream: TextIO) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            problems.append(Problem(path.name, f"is not JSON ({error.msg}, line {line})"))
            continue
        names = list(values) if isinstance(values, dict) else []
        columns = _columns(names)
        if columns is None:
            if not rows:
                raise _no_columns(path, names)
            problems.append(Problem(path.name, f"names no file or no label (line {line})"))
            continue
        file, label, split = (_plain(values[names[column]]) if column is not None else "" for column in columns)
        rows.append(Row(file, label, split, line))
    return rows, problems


def _columns(names: list[str]) -> tuple[int, int, int | None] | None:
    """Where file, label and split stand in the header; None if the first two are not both there."""
    lower = [name.strip().lower() for name in names]

    def find(wanted: tuple[str, ...]) -> int | None:
        return next((lower.index(name) for name in wanted if name in lower), None)

    file, label = find(FILE_COLUMNS), find(LABEL_COLUMNS)
    return None if file is None or label is None else (file, label, find(SPLIT_COLUMNS))


def _is_row(cells: list[str]) -> bool:
    """Whether a first row is no header but already names a picture and its label."""
    return len(cells) == 2 and Path(cells[0]).suffix.lower() in picture_extensions()


def _plain(value: Any) -> str:
    """A JSON value as a label or name: text and whole numbers; anything else is none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _with_lines(reader: Any) -> Iterator[tuple[int, list[str]]]:
    for cells in reader:
        yield reader.line_num, cells


def _open(path: Path) -> TextIO:
    # Names of files are bytes: what is not UTF-8 passes through, as Python's own file functions have it.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _no_columns(path: Path, names: list[str]) -> UserError:
    found = f"it has {', '.join(name[:40] for name in names[:6])}" if names else "its first row is empty"
    return UserError(f"{path} needs the columns filename and label ({found}).")
