"""What looks wrong in tables of labels as a whole: pictures with several labels, pictures that are not there."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Doubt, Entry, as_layout
from vitbench.data.layouts.column_names import FALSE, PRESENCE_COLUMNS, TRUE, plain
from vitbench.data.layouts.columns import Columns, ends_as_picture
from vitbench.data.layouts.names import readable
from vitbench.data.layouts.place import listed
from vitbench.data.layouts.several import SEVERAL
from vitbench.data.problems import Problem
from vitbench.data.tables import Table

_SAMPLED = 60
_OVERRULE = "If this is meant, set data.accept_doubts = true."


def doubts_of_rows(
    table: Table,
    columns: Columns,
    rows: Mapping[str, Sequence[Sequence[str]]],
    find: Callable[[str], list[str]],
    masks: Collection[str],
) -> Iterator[Doubt]:
    """Of the columns that are not used: a second picture in each row, or that a row's label is not there.

    `rows` are the cells by picture, `masks` the pictures that are masks of others.
    """
    sample = {file: cells[0] for file, cells in list(rows.items())[:_SAMPLED]}
    free = [n for n in range(len(table.names)) if n not in (columns.file, columns.label, columns.split)]
    for number in free:
        seconds = [(file, find(cells[number])) for file, cells in sample.items() if ends_as_picture(cells[number])]
        others = [found for file, found in seconds if len(found) == 1 and found[0] != file and found[0] not in masks]
        if others and len(others) * 2 > len(sample):
            both = f"{table.names[columns.file]} and {table.names[number]}"
            yield Doubt(
                f"{table.path.name} names two pictures in a row, {both}: the second one is not used, and a network here"
                " sees one picture at a time.",
                _OVERRULE,
                stops_training=True,
            )
            break
    if columns.marks is not None or not any(len(own) > 1 for own in rows.values()):
        return
    for number in free:
        values = [cells[number].strip().lower() for own in rows.values() for cells in own]
        no = sum(value in FALSE and bool(value) for value in values)
        if plain(table.names[number]) in PRESENCE_COLUMNS and no and all(value in (*TRUE, *FALSE) for value in values):
            yield Doubt(
                f"The column {table.names[number]} of {table.path.name} says no in {no:,} of {len(values):,} rows:"
                " these seem to say that their label is not there, and here each row gives its label.",
                f"Take them out of the table. {_OVERRULE}",
                stops_training=True,
            )
            break


def doubts_of_folders(entries: Sequence[Entry]) -> list[Doubt]:
    """Of pictures that lie in a folder called like another of the tables' labels than their own."""
    known = {entry.label for entry in entries}
    named = [(entry, readable(PurePosixPath(entry.file).parent.name)) for entry in entries if entry.labels is None]
    named = [(entry, folder) for entry, folder in named if folder in known]
    wrong = [(entry, folder) for entry, folder in named if folder != entry.label]
    if not wrong or len(named) * 2 <= len(entries):
        return []
    entry = wrong[0][0]
    return [
        Doubt(
            f"{len(wrong):,} of {len(entries):,} pictures lie in a folder that is called like another label than the"
            f" table gives them, such as {entry.file}: {entry.label} in the table. The table counts.",
            f"--as class-folders takes the folders. {_OVERRULE}",
            stops_training=len(wrong) * 2 > len(named),
        )
    ]


def doubts_of_tables(
    form: str, problems: Sequence[Problem], entries: Sequence[Entry], several: Mapping[str, set[str]]
) -> list[Doubt]:
    """Of what the tables said of the pictures; `several` are those with several rows, and the labels of these."""
    if several:
        name, labels = next(iter(several.items()))
        some = f"such as {name}: {listed(sorted(labels)[:4])}"
        doubt = f"{len(several):,} of {len(entries):,} pictures have several labels, {some}."
        way_out = (
            'The first one counts, unless task = "multilabel" learns all of them (--set task=multilabel; --as'
            f" {as_layout(form, {SEVERAL: 'yes'})} shows them). If this is meant, set data.accept_doubts = true."
        )
        return [Doubt(doubt, way_out, stops_training=len(several) * 2 > len(entries))]
    missing = [problem for problem in problems if problem.reason.startswith("No such file")]
    if len(missing) > len(entries):
        return [
            Doubt(f"{len(missing):,} of the pictures that the table names are not there, such as {missing[0].file}.")
        ]
    return []
