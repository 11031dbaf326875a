"""Tables of file names and labels beside the pictures: one for all, or one for each split."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from vitbench.data.layouts.base import Declined, Entry, Form, Layout, Options, as_layout
from vitbench.data.layouts.columns import (
    WAY_TO_SEVERAL,
    Columns,
    find_columns,
    label_candidates,
    split_in,
)
from vitbench.data.layouts.marks import OPTIONS as OF_MARKS
from vitbench.data.layouts.names import IMAGE_FOLDERS, split_in_name, split_of
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.several import HELP, SEVERAL, Joined, joined_labels, labels_in, separator_of
from vitbench.data.layouts.table_doubts import doubts_of_tables
from vitbench.data.layouts.tree import entries_sentence, mask_files
from vitbench.data.layouts.via import is_via_table
from vitbench.data.problems import Problem
from vitbench.data.tables import METADATA, Table, read_table
from vitbench.errors import UserError
from vitbench.text import counted

_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
_TEXT_ENDINGS = (".csv", ".tsv")
_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_MOST_TABLES = 40
_MOST_TRIED = 6
_ENCODINGS = ("utf-8", "cp1252", "latin-1", "cp1250", "cp1251", "gb18030", "shift_jis", "mac_roman")
_DEEPEST = 3


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
    several: dict[str, set[str]] = field(default_factory=dict)
    """Pictures that have several labels, with all of them."""
    joined: Joined | None = None
    """That its labels seem to be several each, where one was asked for."""
    options: Options = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether it is a CSV or TSV, which a person meant as a table; JSON may be anything."""
        return self.name.lower().endswith((*_TEXT_ENDINGS, *_SPREADSHEETS))

    @property
    def is_near(self) -> bool:
        """Whether a person meant it as a table of labels, though it cannot be read as one."""
        return self.is_text or WAY_TO_SEVERAL in self.reason

    @property
    def found(self) -> int:
        """How many of the named pictures are there."""
        return len(self.entries)


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        read = read_label_table(place, place.file.relative_to(place.root).as_posix(), options)
        if read.reason:
            raise UserError(f"{place.file} needs the columns filename and label: it {read.reason}.")
        return tables_layout(place, [read], [], FORM.name, "a table of file names and labels")
    names = [other for other in place.others if _may_be_table(other)][:_MOST_TABLES]
    wanted = options.get("name", "")
    if wanted:
        names = [name for name in place.others if name == wanted or name.endswith("/" + wanted)]
        if not names:
            raise UserError(f"There is no table {wanted} in {place.root}.")
    tables = [read_label_table(place, name, options) for name in names]
    usable = [table for table in tables if not table.reason]
    wrong = [f"{table.name} {table.reason}." for table in tables if table.wrong_option]
    if wrong and not usable:
        raise UserError(wrong[0])
    unused = [table for table in tables if table.reason] + _spreadsheets(place)
    chosen, left = _choose(usable)
    if not chosen:
        unused.sort(key=lambda table: not table.is_near)
        reasons = "; ".join(f"{table.name} {table.reason}" for table in unused[:3] if table.is_near or len(unused) < 2)
        return Declined(reasons or "there is no table", near=any(table.is_near for table in unused))
    return tables_layout(place, chosen, [*left, *unused], FORM.name, "a table of file names and labels")


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
    folders = _folders(place, path, read.split)
    finder = place.finder

    def finds(text: str) -> bool:
        return bool(finder.find(text, folders, table.encoding))

    try:
        columns = find_columns(table, finds, options)
    except UserError as error:
        if place.file is not None:
            raise
        # Another table may have the column that a person named.
        read.wrong_option, columns = True, str(error).removeprefix(f"{path.name} ").rstrip(".")
    if isinstance(columns, str):
        read.reason = columns
        return read
    read.table, read.columns = table, columns
    _take_rows(place, read, table, columns, lambda text: finder.find(text, folders, table.encoding))
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
    read.entries = list(entries.values())


def _label_of(read: ReadTable, columns: Columns, cells: Sequence[str], file: str) -> tuple[str | None, str]:
    """The label of a row, if it has one, and why its picture is left out."""
    if columns.marks is not None:
        classes, reason = columns.marks.read(cells, file)
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
        entries.append(replace(entry, label=own[0] if own else None, labels=own))
    read.entries, read.several = entries, {}
    read.problems = [problem for problem in read.problems if not problem.reason.startswith("named twice")]


def _spreadsheets(place: Place) -> list[ReadTable]:
    """Tables that only another program reads, with what to do."""
    names = [other for other in place.others if PurePosixPath(other).suffix.lower() in _SPREADSHEETS]
    reason = "is a spreadsheet: save it as CSV"
    return [ReadTable(name, "", reason=reason) for name in names[:3] if name.count("/") < _DEEPEST]


def _choose(usable: Sequence[ReadTable]) -> tuple[list[ReadTable], list[ReadTable]]:
    """The tables that count, and those that say the same pictures again."""
    ranked = sorted(usable, key=lambda table: (-table.found, len(table.name), table.name))
    chosen: list[ReadTable] = []
    left: list[ReadTable] = []
    taken: dict[str, tuple[str, str | None]] = {}
    for table in ranked:
        again = [entry for entry in table.entries if entry.file in taken]
        if len(again) * 2 > table.found:
            first = taken[again[0].file][0]
            same = all(taken[entry.file][1] == entry.label for entry in again)
            table.reason = (
                f"names the same pictures as {first}{'' if same else ' with other labels'}"
                f" (--as table:name={table.name} takes this one)"
            )
            left.append(table)
        else:
            chosen.append(table)
            taken |= {entry.file: (table.name, entry.label) for entry in table.entries if entry.file not in taken}
    return _of_splits(sorted(chosen, key=lambda table: table.name), left), left


def _of_splits(chosen: list[ReadTable], left: list[ReadTable]) -> list[ReadTable]:
    """The chosen tables without those that are of no split, where others are of train and another one.

    `Meta.csv` beside `Train.csv` and `Test.csv` describes the classes (GTSRB).
    """
    splits = {entry.split for table in chosen for entry in table.entries}
    if "train" not in splits or len(splits - {""}) < 2:
        return chosen
    apart = [table for table in chosen if not any(entry.split for entry in table.entries)]
    for table in apart:
        table.reason = f"is of no split, while others are (--as table:name={table.name} takes it alone)"
    left += apart
    return [table for table in chosen if table not in apart]


def tables_layout(
    place: Place, tables: Sequence[ReadTable], unused: Iterable[ReadTable], form: str, what: str
) -> Layout:
    """The layout that tables tell, the first one that names a picture counting."""
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for read in tables:
        problems += read.problems
        notes += read.table.notes if read.table else []
        notes += [read.columns.note] if read.columns and read.columns.note else []
        notes += read.columns.marks.notes(read.name) if read.columns and read.columns.marks else []
        for entry in read.entries:
            if entry.file in entries and entries[entry.file].label != entry.label:
                labels = f"{entries[entry.file].label}, {entry.label}"
                again = f"named twice, with different labels: {labels} ({read.name}; the first row counts)"
                problems.append(Problem(entry.file, again, left_out=False))
            entries.setdefault(entry.file, entry)
    if not entries:
        first = f" ({problems[0].file}: {problems[0].reason})" if problems else ""
        names = listed(PurePosixPath(read.name).name for read in tables)
        raise UserError(f"{names} in {place.root} names no labelled pictures{first}.")
    notes = list(dict.fromkeys(notes))
    notes += [f"{read.name} is not used: it {read.reason}." for read in unused if read.is_text]
    found = tuple(entries.values())
    unlabelled = _rest(place, entries, tables, notes)
    how = f"{what} ({', '.join(dict.fromkeys(PurePosixPath(read.name).name for read in tables))})"
    several = {name: labels for read in tables for name, labels in read.several.items()}
    marked = [(read.columns.marks, read.name) for read in tables if read.columns and read.columns.marks]
    doubts = [doubt for marks, name in marked if (doubt := marks.doubt(name))]
    doubts += doubts_of_tables(form, problems, found, several)
    doubts += [
        read.joined.doubt(read.found, as_layout(form, {**read.options, SEVERAL: read.joined.said}))
        for read in tables
        if read.joined is not None
    ]
    return Layout(
        place.root,
        form,
        entries_sentence(how, Counter(entry.split for entry in found), {}),
        found,
        tuple(problems),
        notes=tuple(notes),
        doubts=tuple(doubts),
        unlabelled=tuple(unlabelled),
    )


def _rest(place: Place, entries: dict[str, Entry], tables: Sequence[ReadTable], notes: list[str]) -> list[Entry]:
    """Pictures that no table names: those of a split test are for a prediction, the others are told by number."""
    if place.file is not None:
        return []
    masks = mask_files(place.pictures)
    rest = [picture for picture in place.pictures if picture not in entries and picture not in masks]
    tested = [p for p in rest if any(split_of(part) not in (None, "train") for part in p.split("/")[:-1])]
    others = len(rest) - len(tested)
    if others:
        first = next(picture for picture in rest if picture not in set(tested))
        names = listed(PurePosixPath(read.name).name for read in tables)
        notes.append(f"Left out: {counted(others, 'picture')} not named in {names}, such as {first}.")
    if masks:
        notes.append(f"Beside the pictures: {counted(len(masks), 'mask')}, for vitbench faithfulness.")
    return [
        Entry(picture, None, next(s for part in picture.split("/") if (s := split_of(part)) not in (None, "train")))
        for picture in tested
    ]


def _folders(place: Place, table: Path, split: str) -> list[str]:
    """Where the pictures of a table are looked for first, relative to the root."""
    own = place.within(table.parent) or ""
    inner = ["", table.stem, split, "images", f"{table.stem}/images", f"{split}/images" if split else ""]
    return list(dict.fromkeys(os.path.normpath(f"{own}/{folder}").lstrip("/") if own else folder for folder in inner))


def _may_be_table(name: str) -> bool:
    path = PurePosixPath(name)
    if path.name in METADATA or len(path.parts) > _DEEPEST:
        return False
    # JSON beside pictures says what tables say; in a folder of annotations it is of a task of its own.
    beside = all(split_of(part) or part.lower() in IMAGE_FOLDERS for part in path.parts[:-1])
    return path.suffix.lower() in _TEXT_ENDINGS or (beside and path.suffix.lower() in _ENDINGS)


def _folder_split(picture: str) -> str:
    """The split of the folders that a picture lies in; empty if they tell none."""
    return next((found for part in picture.split("/")[:-1] if (found := split_of(part))), "")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file() or path.is_symlink()
    except (OSError, ValueError):
        return False


def _choices(place: Place) -> Iterator[Options]:
    """Each table with each of its columns that may be the label, and the usual encodings of one that is not UTF-8."""
    own = place.file.relative_to(place.root).as_posix() if place.file is not None else ""
    names = [own] if own else [other for other in place.others if _may_be_table(other)][:_MOST_TRIED]
    for name in names:
        which = {} if len(names) == 1 else {"name": name}
        try:
            table = read_table(place.root / name)
        except UserError:
            continue
        folders = _folders(place, place.root / name, split_in_name(PurePosixPath(name).stem))
        finds = partial(_finds, place, folders, table.encoding)
        yield from ({**which, SEVERAL: said} for said in ways_to_several(place, name))
        for column in label_candidates(table, finds):
            yield {**which, "label": column}
        if table.notes:  # its encoding was guessed
            for encoding in _ENCODINGS:
                yield {**which, "encoding": encoding}


def ways_to_several(place: Place, name: str) -> Iterator[str]:
    """How a table is read with several labels a picture, where it seems to hold them."""
    read = read_label_table(place, name, {})
    if read.joined is not None:
        yield read.joined.said
    elif read.several or WAY_TO_SEVERAL in read.reason:
        yield "yes"


def _finds(place: Place, folders: list[str], encoding: str, text: str) -> bool:
    return bool(place.finder.find(text, folders, encoding))


FORM = Form(
    name="table",
    phrase="a CSV of filename and label",
    priority=50,
    recognise=_recognise,
    options={
        "name": "which table",
        "file": "the column that names the pictures",
        "label": "the column of labels",
        "split": "the column of splits",
        "encoding": "such as cp1252 or utf-16",
        SEVERAL: HELP,
        **OF_MARKS,
    },
    choices=_choices,
)
