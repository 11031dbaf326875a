"""One table of file names and labels: which of its columns say what, and which pictures it labels how."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from vitbench.data.layouts.base import Doubt, Entry, Options
from vitbench.data.layouts.column_names import ID_COLUMNS, plain
from vitbench.data.layouts.columns import (
    NO_FILE_COLUMN,
    WAY_TO_SEVERAL,
    Columns,
    find_columns,
    split_in,
)
from vitbench.data.layouts.names import split_in_name, split_of
from vitbench.data.layouts.place import Place, how_bent, listed
from vitbench.data.layouts.several import SEVERAL, Joined, joined_labels, labels_in, separator_of
from vitbench.data.layouts.table_doubts import doubts_of_rows
from vitbench.data.layouts.tree import mask_files
from vitbench.data.layouts.via import is_via_table
from vitbench.data.problems import Problem
from vitbench.data.tables import Table, read_table
from vitbench.errors import UserError
from vitbench.text import counted

TEXT_ENDINGS = (".csv", ".tsv")
_SAMPLED = 60
BEGINNINGS = "names what several pictures each begin with"
SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
"""Endings of tables that only another program reads."""


@dataclass
class ReadTable:
    """A table with the pictures that it labels; `reason` says why it is not used, where it is not."""

    name: str
    split: str
    table: Table | None = None
    columns: Columns | None = None
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    reason: str = ""
    wrong_option: bool = False
    """Whether the reason is that it lacks a column that a person named."""
    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    """The cells of each row that names a picture."""
    takes_all: bool = False
    """Whether several labels a picture were asked for, so that none is possible."""
    marked: dict[str, list[str]] = field(default_factory=dict)
    """The classes that the rows of a picture mark, where columns are classes."""
    unknown: dict[str, list[str]] = field(default_factory=dict)
    """Those that they leave unknown."""
    several: dict[str, set[str]] = field(default_factory=dict)
    """Pictures that have several labels, with all of them."""
    joined: Joined | None = None
    """That its labels seem to be several each, where one was asked for."""
    options: Options = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    """What looks wrong with its rows."""
    bent: dict[str, list[str]] = field(default_factory=dict)
    """In what names differ from those of their files, with such names."""
    told_by: str = ""
    """The column of the folder, where names are those of several pictures."""

    @property
    def notes(self) -> list[str]:
        """What was guessed and decided of it, a sentence each."""
        found = [*self.table.notes] if self.table else []
        found += [self.columns.note] if self.columns and self.columns.note else []
        found += self.columns.marks.notes(self.name) if self.columns and self.columns.marks else []
        for how, names in self.bent.items():
            were = f"{counted(len(names), 'name')} in {PurePosixPath(self.name).name}"
            found.append(f"{were} found a file whose name is equal {how}, such as {names[0]}.")
        if self.told_by:
            found.append(f"Names that several pictures have are told apart by the column {self.told_by}.")
        return found

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV or TSV, which a person meant as a table; JSON may be anything."""
        return self.name.lower().endswith((*TEXT_ENDINGS, *SPREADSHEETS))

    @property
    def is_near(self) -> bool:
        """Whether a person meant it as a table of labels, though it cannot be read as one."""
        return self.is_text or WAY_TO_SEVERAL in self.reason

    @property
    def found(self) -> int:
        """How many of the named pictures are there."""
        return len(self.entries)


def read_label_table(place: Place, name: str, options: Options) -> ReadTable:
    """A file of the place as a table of labels. Raises UserError only for options that fit no table."""
    path = place.root / name
    read = ReadTable(name, split_in_name(path.stem), takes_all=SEVERAL in options, options=options)
    if re.search(r"submission", path.stem, re.IGNORECASE):
        read.reason = "is a sample of a submission, whose labels are placeholders"
        return read
    try:
        table = read_table(path, options.get("encoding", ""))
    except UserError as error:
        if place.file is not None:
            raise
        read.reason = f"cannot be read ({str(error).rstrip('.')})"
        return read
    if table.rows and is_via_table(table.names or table.rows[0][1]):
        read.reason = "is an export of VIA, whose regions are objects (--as objects)"
        return read
    folders = picture_folders(place, path, read.split)
    finder = place.finder

    def find(text: str) -> list[str]:
        return finder.find(text, folders, table.encoding)

    def find_by_number(text: str) -> list[str]:
        return finder.find(text, folders, table.encoding) or finder.by_number(text)

    try:
        columns = find_columns(table, lambda text: bool(find(text)), options)
        if isinstance(columns, str) and NO_FILE_COLUMN in columns and any(plain(n) in ID_COLUMNS for n in table.names):
            # A spreadsheet takes the zeros off 000123.
            by_number = find_columns(table, lambda text: bool(find_by_number(text)), options)
            if not isinstance(by_number, str) and plain(table.names[by_number.file]) in ID_COLUMNS:
                columns, find = by_number, find_by_number
    except UserError as error:
        if place.file is not None:
            raise
        # Another table may have the column that a person named.
        read.wrong_option, columns = True, str(error).removeprefix(f"{path.name} ").rstrip(".")
    if isinstance(columns, str):
        read.reason = columns
        if NO_FILE_COLUMN in columns and (column := _column_of_beginnings(table, finder.pictures)):
            read.reason += f"; its column {column} {BEGINNINGS}"
        return read
    read.table, read.columns = table, columns
    _take_rows(place, read, table, columns, find)
    read.doubts = [*doubts_of_rows(table, columns, read.rows, find, mask_files(finder.pictures))]
    if SEVERAL in options:
        _take_all_labels(read, columns, options[SEVERAL])
    elif columns.marks is None:
        read.joined = joined_labels(entry.label or "" for entry in read.entries)
    if not read.entries and place.file is None:
        first = read.problems[0] if read.problems else None
        read.reason = "names no picture that is there" + (f" ({first.file}: {first.reason})" if first else "")
    return read


def _take_rows(place: Place, read: ReadTable, table: Table, columns: Columns, find: Callable[[str], list[str]]) -> None:
    entries: dict[str, Entry] = {}
    read.problems += table.problems
    for line, cells in table.rows:
        where = f"{table.path.name}, line {line}"
        name = cells[columns.file].strip() if columns.file < len(cells) else ""
        if not name:
            read.problems.append(Problem(table.path.name, f"names no file (line {line})"))
            continue
        padded = [*cells, *[""] * (columns.width - len(cells))]
        own = place.within(table.path.parent / name.replace("\0", "\ufffd"))
        pictures = find(name)
        if len(pictures) > 1 and read.split:
            pictures = [p for p in pictures if _folder_split(p) == read.split] or pictures
        if len(pictures) > 1:
            pictures = _told_by_folder(read, table, cells, columns, find) or pictures
        if len(pictures) > 1:
            some = listed(pictures[:3])
            read.problems.append(Problem(name, f"may be {len(pictures)} pictures: {some} ({where})"))
            continue
        file = pictures[0] if pictures else own
        if file is None:
            read.problems.append(Problem(name, f"leads out of the folder ({where})"))
            continue
        label, reason = _label_of(read, columns, cells, file)
        if reason:
            read.problems.append(Problem(file, f"{reason} ({where})"))
        elif not label and not read.takes_all:
            why = "no class or several are marked" if columns.marks else "has no label"
            read.problems.append(Problem(file, f"{why} ({where})"))
        elif file in entries:
            read.rows[file].append(padded)
            first = entries[file].label or ""
            again = "named twice" if first == label else f"named twice, with different labels: {first}, {label}"
            if first != label:
                read.several.setdefault(file, {first}).add(label or "")
            read.problems.append(Problem(file, f"{again} ({where}; the first row counts)", left_out=False))
        elif not pictures and not _is_file(place.root / file):
            read.problems.append(Problem(file, f"No such file or directory ({where})"))
        else:
            split = split_in(cells, columns) or read.split or _folder_split(file)
            entries[file] = Entry(file, label, split)
            read.rows[file] = [padded]
            if table.names and (more := [cell for cell in cells[len(table.names) :] if cell]):
                why = f"its row has more cells than the header, which are not used: {listed(more[:3])} ({where})"
                read.problems.append(Problem(file, why, left_out=False))
            if how := how_bent(name, file):
                read.bent.setdefault(how, []).append(f"{name} for {file}")
    read.entries = list(entries.values())


def _told_by_folder(
    read: ReadTable, table: Table, cells: Sequence[str], columns: Columns, find: Callable[[str], list[str]]
) -> list[str]:
    """The picture in the folder that another cell of the row names; empty if there is none, or several."""
    for number, cell in enumerate(cells):
        if number == columns.file or not cell.strip():
            continue
        folder = cell.strip().strip("/")
        found = find(f"{folder}/{cells[columns.file].strip()}")
        if len(found) == 1 and f"/{folder}/".casefold() in f"/{found[0]}".casefold():
            read.told_by = table.names[number] if number < len(table.names) else str(number + 1)
            return found
    return []


def _column_of_beginnings(table: Table, pictures: Sequence[str]) -> str:
    """The column whose cells are what the names of several pictures each begin with; empty if none is."""
    beginnings: Counter[str] = Counter()
    for picture in pictures:
        stem = PurePosixPath(picture).stem
        beginnings.update({stem[: found.start()] for found in re.finditer(r"[_\-. ]", stem)})
    for number, name in enumerate(table.names):
        values = {value for value in list(table.column(number))[:_SAMPLED] if value}
        if len(values) > 1 and sum(beginnings[value] > 1 for value in values) * 2 > len(values):
            return name
    return ""


def _label_of(read: ReadTable, columns: Columns, cells: Sequence[str], file: str) -> tuple[str | None, str]:
    """The label of a row, if it has one, and why its picture is left out."""
    if columns.marks is not None:
        classes, unknown, reason = columns.marks.read(cells, file)
        read.unknown.setdefault(file, []).extend(unknown)
        read.marked.setdefault(file, []).extend(classes)
        return (classes[0] if len(classes) == 1 else None), reason
    number = columns.label or 0
    return (cells[number].strip() if number < len(cells) else ""), ""


def _take_all_labels(read: ReadTable, columns: Columns, said: str) -> None:
    """Gives each entry all of its labels: those of its cell, or of all marked columns, in all rows that name it."""
    known = [cells[columns.label] for rows in read.rows.values() for cells in rows] if columns.label is not None else []
    separator = separator_of(said, known)
    entries = []
    for entry in read.entries:
        labels = list(read.marked.get(entry.file, ()))
        if columns.label is not None:
            labels += [one for cells in read.rows[entry.file] for one in labels_in(cells[columns.label], separator)]
        own = tuple(dict.fromkeys(labels))
        unknown = tuple(dict.fromkeys(one for one in read.unknown.get(entry.file, ()) if one not in own))
        entries.append(replace(entry, label=own[0] if own else None, labels=own, unknown=unknown))
    read.entries, read.several = entries, {}
    read.problems = [problem for problem in read.problems if not problem.reason.startswith("named twice")]


def ways_to_several(place: Place, name: str) -> Iterator[str]:
    """How a table is read with several labels a picture, where it seems to hold them."""
    read = read_label_table(place, name, {})
    if read.joined is not None:
        yield read.joined.said
    elif read.several or WAY_TO_SEVERAL in read.reason:
        yield "yes"


def picture_folders(place: Place, table: Path, split: str) -> list[str]:
    """Where the pictures of a table are looked for first, relative to the root."""
    own = place.within(table.parent) or ""
    inner = ["", table.stem, split, "images", f"{table.stem}/images", f"{split}/images" if split else ""]
    return list(dict.fromkeys(os.path.normpath(f"{own}/{folder}").lstrip("/") if own else folder for folder in inner))


def _folder_split(picture: str) -> str:
    """The split of the folders that a picture lies in; empty if they tell none."""
    return next((found for part in picture.split("/")[:-1] if (found := split_of(part))), "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() or path.is_symlink()
    except (OSError, ValueError):
        return False
