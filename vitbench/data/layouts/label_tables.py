"""Which of the tables of file names and labels beside the pictures count: one for all, or one for each split."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Declined, Form, Layout, Options
from vitbench.data.layouts.column_names import FILE_COLUMNS, ID_COLUMNS, LABEL_COLUMNS, plain
from vitbench.data.layouts.columns import (
    label_candidates,
)
from vitbench.data.layouts.joined_tables import tables_layout
from vitbench.data.layouts.label_table import (
    SPREADSHEETS,
    TEXT_ENDINGS,
    ReadTable,
    picture_folders,
    read_label_table,
    ways_to_several,
)
from vitbench.data.layouts.marks import OPTIONS as OF_MARKS
from vitbench.data.layouts.names import IMAGE_FOLDERS, split_in_name, split_of
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.several import HELP, SEVERAL
from vitbench.data.tables import METADATA, first_cells, read_table
from vitbench.errors import UserError

_ENDINGS = (*TEXT_ENDINGS, ".json", ".jsonl", ".ndjson", ".manifest")
_MOST_TABLES = 40
_MOST_TRIED = 6
_ENCODINGS = ("utf-8", "cp1252", "latin-1", "cp1250", "cp1251", "gb18030", "shift_jis", "mac_roman")
_DEEPEST = 3


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None:
        read = read_label_table(place, place.file.relative_to(place.root).as_posix(), options)
        if read.reason:
            raise UserError(f"{place.file} needs the columns filename and label: it {read.reason}.")
        return tables_layout(place, [read], [], FORM.name, "a table of file names and labels")
    names = [other for other in place.others if _may_be_table(other)]
    names = [*names, *_texts_with_header(place)][:_MOST_TABLES]
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


def _spreadsheets(place: Place) -> list[ReadTable]:
    """Tables that only another program reads, with what to do."""
    names = [other for other in place.others if PurePosixPath(other).suffix.lower() in SPREADSHEETS]
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


def _may_be_table(name: str) -> bool:
    path = PurePosixPath(name)
    if path.name in METADATA or len(path.parts) > _DEEPEST:
        return False
    # JSON beside pictures says what tables say; in a folder of annotations it is of a task of its own.
    beside = all(split_of(part) or part.lower() in IMAGE_FOLDERS for part in path.parts[:-1])
    return path.suffix.lower() in TEXT_ENDINGS or (beside and path.suffix.lower() in _ENDINGS)


def _texts_with_header(place: Place) -> list[str]:
    """Text files whose first line names columns of pictures and labels (`labels.txt`)."""
    stems = {PurePosixPath(picture).stem for picture in place.pictures}
    texts = [other for other in place.others if other.lower().endswith(".txt") and other.count("/") < _DEEPEST]
    texts = [other for other in texts if PurePosixPath(other).stem not in stems][:_MOST_TABLES]
    return [other for other in texts if _names_columns(place, other)]


def _names_columns(place: Place, other: str) -> bool:
    cells = {plain(cell) for text in first_cells(place.root / other) for cell in re.split(r"[,;|\t]", text)}
    return bool(cells & {*FILE_COLUMNS, *ID_COLUMNS}) and bool(cells & {*LABEL_COLUMNS})


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
        folders = picture_folders(place, place.root / name, split_in_name(PurePosixPath(name).stem))
        finds = partial(_finds, place, folders, table.encoding)
        yield from ({**which, SEVERAL: said} for said in ways_to_several(place, name))
        for column in label_candidates(table, finds):
            yield {**which, "label": column}
        if table.notes:  # its encoding was guessed
            for encoding in _ENCODINGS:
                yield {**which, "encoding": encoding}


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
