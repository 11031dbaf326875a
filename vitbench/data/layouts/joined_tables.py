"""Several tables of file names and labels as one layout, with what was left out and what looks doubtful."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Entry, Layout, as_layout
from vitbench.data.layouts.label_table import ReadTable
from vitbench.data.layouts.lists import lists_of, splits_of_lists
from vitbench.data.layouts.names import readable, split_of
from vitbench.data.layouts.place import Place, listed
from vitbench.data.layouts.several import SEVERAL
from vitbench.data.layouts.table_doubts import doubts_of_folders, doubts_of_tables
from vitbench.data.layouts.tree import entries_sentence, mask_files
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.text import counted


def tables_layout(
    place: Place, tables: Sequence[ReadTable], unused: Iterable[ReadTable], form: str, what: str
) -> Layout:
    """The layout that tables tell, the first one that names a picture counting. Raises UserError where none does."""
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for read in tables:
        problems += read.problems
        notes += read.notes
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
    if not any(entry.split for entry in found) and (lists := lists_of(place, found)):
        splits, missing, said = splits_of_lists(lists, found)
        problems, notes = [*problems, *missing], [*notes, *said]
        found = tuple(replace(entry, split=splits[entry.file]) for entry in found if entry.file in splits)
    if by_folder := _of_other_splits(place, found, notes):
        found = (*found, *by_folder)
        entries |= {entry.file: entry for entry in by_folder}
    unlabelled = _rest(place, entries, tables, notes)
    how = f"{what} ({', '.join(dict.fromkeys(PurePosixPath(read.name).name for read in tables))})"
    several = {name: labels for read in tables for name, labels in read.several.items()}
    marked = [(read.columns.marks, read.name) for read in tables if read.columns and read.columns.marks]
    doubts = [doubt for marks, name in marked if (doubt := marks.doubt(name))]
    doubts += [doubt for read in tables for doubt in read.doubts]
    doubts += doubts_of_folders(found)
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


def _of_other_splits(place: Place, found: Sequence[Entry], notes: list[str]) -> list[Entry]:
    """Pictures of splits that the tables say nothing of, where they lie in folders called like the tables' labels:
    class folders in `train/`, and `val.csv` beside a flat `val/`."""
    known = {label for entry in found for label in entry.all_labels}
    told = {entry.split for entry in found}
    if place.file is not None or "" in told or any(entry.labels is not None for entry in found):
        return []
    masks, taken = mask_files(place.pictures), {entry.file for entry in found}
    by_split: dict[str, list[str]] = {}
    for picture in place.pictures:
        split = next((named for part in picture.split("/")[:-1] if (named := split_of(part))), "")
        if split and split not in told and picture not in masks and picture not in taken:
            by_split.setdefault(split, []).append(picture)
    added = []
    for split, pictures in by_split.items():
        labelled = [Entry(one, label, split) for one in pictures if (label := readable(_folder(one))) in known]
        if len(labelled) * 2 > len(pictures):
            added += labelled
            count = counted(len(labelled), "picture")
            notes.append(
                f"No table says anything of the split {split}: {count} there have the labels of their folders."
            )
    return added


def _folder(picture: str) -> str:
    return PurePosixPath(picture).parent.name


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
