"""Which columns of a table name the picture, its label and its split: by their names, and by the pictures there are."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Options
from vitbench.data.layouts.column_names import (
    BOOLEAN_SPLITS,
    CERTAIN,
    FALSE,
    FILE_COLUMNS,
    ID_COLUMNS,
    LABEL_COLUMNS,
    NUMBERED_SPLITS,
    OTHER_COLUMNS,
    SPLIT_COLUMNS,
    TEXT_COLUMNS,
    TRUE,
    plain,
)
from vitbench.data.layouts.marks import Marks, find_marks, is_blank, is_mark, is_one
from vitbench.data.layouts.names import split_of
from vitbench.data.layouts.place import listed
from vitbench.data.layouts.several import SEVERAL, separator_of
from vitbench.data.pictures import picture_extensions
from vitbench.data.tables import Table, split_header
from vitbench.errors import UserError

_SAMPLED = 60
PIXELS = "the pixels of the pictures are inside this table: write them out as files first"
NO_FILE_COLUMN = "has no column that names pictures"
_MOST_PARTS = 20
_FEWEST_PIXELS = 60
WAY_TO_SEVERAL = 'a network learns one label per picture, unless task = "multilabel" (--as table:several=yes shows it)'
_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Columns:
    """Numbers of the columns. `marks` are those whose names are the classes, where no column holds labels."""

    file: int
    label: int | None
    marks: Marks | None = None
    split: int | None = None
    true_split: str = ""
    """The split that a 1 in the split's column means, where it holds truth values."""
    note: str = ""
    width: int = 0


def find_columns(table: Table, finds: Callable[[str], bool], options: Options) -> Columns | str:
    """The columns of a table; takes its header off. A text says why there are none.

    `finds` tells whether a name leads to a picture. `options` may name a column: file, label, split.
    """
    if not table.rows:
        return "is empty"
    names, values = _sampled(table, finds)
    if not table.rows:
        return f"has no row under its header ({listed(table.names[:6])})"
    file = _chosen("file", table, names, options)
    if file is None:
        file = _file_column(names, values, finds)
    if file is None and holds_pixels(table.names):
        return f"{NO_FILE_COLUMN}: {PIXELS}"
    if file is None:
        return f"{NO_FILE_COLUMN}{_found(table)}"
    if not names and "split" not in options:
        split, true_split = _split_without_header(values, file), ""
    else:
        split, true_split = _split_column(names, values, _chosen("split", table, names, options))
    label = _chosen("label", table, names, options)
    marks: Marks | None = None
    note = ""
    if label is None:
        answer = _label_column(table, names, values, file, split, options)
        if isinstance(answer, str):
            return answer
        label, marks, note = answer
    if split is None and "split" not in options:
        note = " ".join(filter(None, [note, _unused_split(table, names, values, (file, label))]))
    used = dict.fromkeys(one for one in (file, label, split) if one is not None and one < len(names))
    twins = [_of_twins(table, names, number) for number in used if names[number] and names.count(names[number]) > 1]
    return Columns(file, label, marks, split, true_split, " ".join(filter(None, [note, *twins])), len(values))


def _sampled(table: Table, finds: Callable[[str], bool]) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, plain, and the first values of each; takes the table's header off."""
    if not table.names and not _first_is_data(table, finds):
        split_header(table)
    names = [plain(name) for name in table.names]
    sample = [cells for _, cells in table.rows[:_SAMPLED]]
    width = max([len(names), *map(len, sample)])
    return names, [[cells[n] if n < len(cells) else "" for cells in sample] for n in range(width)]


def _of_twins(table: Table, names: Sequence[str], number: int) -> str:
    """That a column counts although others have its name."""
    others = listed(str(other + 1) for other, name in enumerate(names) if name == names[number] and other != number)
    same = f"Columns {number + 1} and {others} of {table.path.name} are named {table.names[number]!r}"
    return f"{same}: {number + 1} counts; rename it to take another one."


def label_candidates(table: Table, finds: Callable[[str], bool]) -> list[str]:
    """The columns that may hold labels, by name, or by number where the table has no header: as --as takes them."""
    if not table.rows:
        return []
    names, values = _sampled(table, finds)
    file = _file_column(names, values, finds) if values else None
    if file is None:
        return []
    split, _ = _split_column(names, values, None) if names else (_split_without_header(values, file), "")
    found = []
    for number, column in enumerate(values):
        different = set(filter(None, column))
        if number in (file, split) or (names and number >= len(names)):
            continue
        name = names[number] if names else ""
        if {",", "="} & set(name) or not (_may_be_labels(name or str(number), column) or name in LABEL_COLUMNS):
            continue
        if len(different) > 1:
            found.append(table.names[number] if names else str(number + 1))
    return found[:_MOST_CANDIDATES]


def split_in(cells: Sequence[str], columns: Columns) -> str:
    """The split that a row names; empty if it names none."""
    value = cells[columns.split].strip() if columns.split is not None and columns.split < len(cells) else ""
    if columns.true_split:
        is_true = value.lower() in TRUE
        if columns.true_split == "train":
            return "train" if is_true else "test"
        return columns.true_split if is_true else "train"
    return split_of(value) or value


def _first_is_data(table: Table, finds: Callable[[str], bool]) -> bool:
    """Whether the first row is no header but already names a picture."""
    first = table.rows[0][1]
    known = {*FILE_COLUMNS, *ID_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS, *BOOLEAN_SPLITS}
    if len(first) > 1 and sum(plain(cell) in known for cell in first) >= 1 and not any(map(ends_as_picture, first)):
        return False
    return any(ends_as_picture(cell) or finds(cell) for cell in first if cell)


def _file_column(names: Sequence[str], values: Sequence[Sequence[str]], finds: Callable[[str], bool]) -> int | None:
    shares = [sum(1 for value in column if value and finds(value)) / max(1, len(column)) for column in values]
    named = [names.index(name) for name in (*FILE_COLUMNS, *ID_COLUMNS) if name in names]
    for column in named:
        if shares[column] > 0.5:
            return column
    best = max(range(len(shares)), key=lambda column: shares[column])
    if shares[best] > 0.5 or (shares[best] > 0 and (best in named or not names)):
        return best
    certain = [names.index(name) for name in FILE_COLUMNS if name in names]
    if certain:
        return certain[0]
    pictures = [n for n, column in enumerate(values) if sum(map(ends_as_picture, column)) * 2 > len(column)]
    return pictures[0] if pictures else None


def _split_column(names: Sequence[str], values: Sequence[Sequence[str]], chosen: int | None) -> tuple[int | None, str]:
    candidates = [chosen] if chosen is not None else [names.index(name) for name in SPLIT_COLUMNS if name in names]
    for column in candidates:
        known = [value for value in values[column] if value]
        if chosen is not None or all(split_of(value) for value in known):
            return column, ""
    for name, split in BOOLEAN_SPLITS.items():
        column_ = names.index(name) if name in names else None
        if column_ is not None and all(value.lower() in (*TRUE, *FALSE) for value in values[column_]):
            if name == "train" and _is_class_train(values, column_):
                continue
            return column_, split
    return None, ""


def _unused_split(
    table: Table, names: Sequence[str], values: Sequence[Sequence[str]], taken: Sequence[int | None]
) -> str:
    """That a column seems to part the pictures, though its values name no split; empty if there is none."""
    wanted = {*SPLIT_COLUMNS, *NUMBERED_SPLITS}
    for number, name in enumerate(names):
        different = sorted(set(filter(None, values[number])), key=lambda value: (len(value), value))
        if name in wanted and number not in taken and 1 < len(different) <= _MOST_PARTS:
            some = listed(different) if len(different) < 5 else f"{', '.join(different[:3])}, ..."
            return (
                f"The column {table.names[number]} ({some}) is not used, since its values name no split: write train,"
                " val and test in it if it parts the pictures."
            )
    return ""


def _is_class_train(values: Sequence[Sequence[str]], train: int) -> bool:
    """Whether a column called train marks trains, as that of Pascal VOC's classes does: few rows of many, and among
    other marks."""
    marked = [column for column in values if all(map(is_mark, column)) and not all(map(is_blank, column))]
    return len(marked) > 3 and sum(map(is_one, values[train])) * 2 < len(values[train])


def _split_without_header(values: Sequence[Sequence[str]], file: int) -> int | None:
    """The column whose values are all names of splits, two different ones at least (Google's import CSVs)."""
    for number, column in enumerate(values):
        known = {value for value in column if value}
        if number != file and len(known) > 1 and all(split_of(value) for value in known):
            return number
    return None


def _label_column(
    table: Table,
    names: Sequence[str],
    values: Sequence[Sequence[str]],
    file: int,
    split: int | None,
    options: Options,
) -> tuple[int | None, Marks | None, str] | str:
    """The label's column or the marked columns, and a note on the choice; a text says why there is none."""
    # A row that is longer than the header has cells without a meaning.
    free = [n for n in range(len(names) or len(values)) if n not in (file, split)]
    named = [names.index(name) for name in LABEL_COLUMNS if name in names and names.index(name) in free]
    if SEVERAL not in options:
        named = [n for n in named if not _are_lists(values[n])]
    if named:
        others = [n for n in named[1:] if list(values[n]) != list(values[named[0]])]
        best = _by_name(named, values)
        if not others and names[best] not in CERTAIN:
            others = [n for n in free if n < len(names) and n != best and _may_be_labels(names[n], values[n])]
        if not others:
            return best, None, ""
        other = listed(table.names[n] for n in dict.fromkeys([*named, *others]) if n != best)
        return (
            best,
            None,
            f"The labels are those of the column {table.names[best]}; --as table:label=NAME takes {other}.",
        )
    if marks := find_marks(table, values, _may_be_marked(names, free), options, SEVERAL in options):
        sums = [sum(is_one(values[n][row], marks.words) for n in marks.columns) for row in range(len(values[file]))]
        if max(sums) > 1 and SEVERAL not in options:
            return f"marks several classes for one picture; {WAY_TO_SEVERAL}"
        return None, marks, _what_is_marked(table, names, free, marks)
    if SEVERAL in options and (lists := [n for n in free if _lists_labels(values[n])]):
        return lists[0], None, ""
    telling = [n for n in free if n >= len(names) or not _says_something_else(names[n])]
    lists = [n for n in telling if _are_lists(values[n])]
    telling = [n for n in telling if n not in lists]
    telling = [n for n in telling if (different := set(filter(None, values[n]))) and _repeats(different, values[n])]
    if not names and len(telling) > 1:
        # Corners of boxes are numbers; the class behind them is a word, in RetinaNet's tables and many others.
        words = [n for n in telling if not all(map(_is_number, filter(None, values[n])))]
        if not words:
            which = listed(str(n + 1) for n in telling[:6])
            return (
                f"has no header, and each of the columns {which} may be the label: choose with"
                f" --as table:label={telling[-1] + 1}"
            )
        telling = words[:1]
    if len(telling) == 1:
        return telling[0], None, ""
    if not telling and any(value != "[]" for n in lists for value in values[n] if value):
        return f"lists several labels for one picture ({listed(table.names[n] for n in lists)}); {WAY_TO_SEVERAL}"
    if not telling:
        return f"has no column of labels{_found(table)}"
    which = listed(table.names[n] for n in telling[:6])
    first = table.names[telling[0]]
    return f"has no column that is surely the label ({which} may be): choose with --as table:label={first}"


def _may_be_marked(names: Sequence[str], free: Sequence[int]) -> list[int]:
    return [n for n in free if n < len(names) and not _says_something_else(names[n]) and not names[n].startswith("is_")]


def _what_is_marked(table: Table, names: Sequence[str], free: Sequence[int], marks: Marks) -> str:
    """Which columns are no classes although others are, a sentence; empty if all are."""
    others = [table.names[n] for n in free if n < len(names) and names[n] and n not in marks.columns]
    if not others:
        return ""
    return f"The classes are the {len(marks.columns):,} columns of marks; no classes are {listed(others[:8])}."


def _are_lists(values: Sequence[str]) -> bool:
    """Whether the cells of a column are JSON lists: none of them is one label."""
    known = [value for value in values if value]
    return bool(known) and all(value.startswith("[") and value.endswith("]") for value in known)


def _lists_labels(values: Sequence[str]) -> bool:
    """Whether the cells of a column name several labels each."""
    known = [value for value in values if value]
    if _are_lists(values):
        return any(value != "[]" for value in known)
    return bool(known) and separator_of("yes", known) in ("|", ";", ",")


def _may_be_labels(name: str, values: Sequence[str]) -> bool:
    """Whether a column by its name and values could hold labels, too."""
    different = set(filter(None, values))
    another = _are_lists(values) or _says_something_else(name)
    return len(different) > 1 and not another and _repeats(different, values)


def _says_something_else(name: str) -> bool:
    return (
        name in NUMBERED_SPLITS
        or name in OTHER_COLUMNS
        or name in TEXT_COLUMNS
        or name.startswith("unnamed")
        or not name
    )


def _repeats(different: set[str], values: Sequence[str]) -> bool:
    """Whether values may be labels: of many rows some must have the same one."""
    return len(values) <= 10 or len(different) * 1.2 < len(values)


def _by_name(named: Sequence[int], values: Sequence[Sequence[str]]) -> int:
    """Of columns of the same labels as numbers and as words, the words."""
    first = named[0]
    if not all(value.isdigit() for value in values[first] if value):
        return first
    for other in named[1:]:
        pairs = set(zip(values[first], values[other], strict=True))
        one_to_one = len(pairs) == len({pair[0] for pair in pairs}) == len({pair[1] for pair in pairs})
        if one_to_one and not any(value.isdigit() for value in values[other]):
            return other
    return first


def _chosen(what: str, table: Table, names: Sequence[str], options: Options) -> int | None:
    wanted = options.get(what)
    if wanted is None:
        return None
    if wanted in table.names and names.count(plain(wanted)) > 1:  # `Label` beside `label`
        return table.names.index(wanted)
    if plain(wanted) in names:
        return names.index(plain(wanted))
    if not names and wanted.isdigit() and int(wanted) >= 1:
        return int(wanted) - 1
    raise UserError(f"{table.path.name} has no column {wanted!r}{_found(table)}.")


def _found(table: Table) -> str:
    names = [name for name in table.names if name]
    return f" (it has {listed(name[:40] for name in names[:6])})" if names else ""


def holds_pixels(names: Sequence[str]) -> bool:
    """Whether the columns of these names hold the pixels themselves (FER-2013, MNIST as CSV)."""
    numbered = [name for name in names if re.fullmatch(r"(pixel|px|p)?[_ ]?\d+(x\d+)?", name.strip(), re.IGNORECASE)]
    return any(plain(name) in ("pixels", "pixel_values") for name in names) or len(numbered) > _FEWEST_PIXELS


def ends_as_picture(cell: str) -> bool:
    """Whether a cell has the ending of a picture."""
    return PurePosixPath(cell.replace("\\", "/")).suffix.lower() in picture_extensions()


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d*\.?\d+", value))
