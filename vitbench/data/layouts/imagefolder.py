"""Hugging Face's imagefolder: metadata.csv or .jsonl with file_name and label, in the folder or in its splits."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from vitbench.data.layouts.base import Declined, Form, Layout, Options
from vitbench.data.layouts.joined_tables import tables_layout
from vitbench.data.layouts.label_table import read_label_table, ways_to_several
from vitbench.data.layouts.marks import OPTIONS as OF_MARKS
from vitbench.data.layouts.names import split_of
from vitbench.data.layouts.place import Place
from vitbench.data.layouts.several import HELP, SEVERAL
from vitbench.data.tables import METADATA


def _recognise(place: Place, options: Options) -> Layout | Declined:
    if place.file is not None and place.file.name not in METADATA:
        return Declined("the file that was named is not a metadata.csv or metadata.jsonl")
    names = _tables(place)
    if not names:
        return Declined("there is no metadata.csv or metadata.jsonl")
    tables = [read_label_table(place, name, options) for name in names]
    for table in tables:
        table.split = table.split or next((s for part in table.name.split("/")[:-1] if (s := split_of(part))), "")
    usable = [table for table in tables if not table.reason]
    if not usable:
        return Declined("; ".join(f"{table.name} {table.reason}" for table in tables[:3]), near=True)
    unused = [table for table in tables if table.reason]
    return tables_layout(place, usable, unused, FORM.name, "a Hugging Face imagefolder")


def _tables(place: Place) -> list[str]:
    if place.file is not None:
        return [place.file.name]
    return [other for other in place.others if PurePosixPath(other).name in METADATA and other.count("/") <= 2]


def _choices(place: Place) -> Iterator[Options]:
    """All labels of a picture, where the first table seems to hold several."""
    names = _tables(place)
    if names and PurePosixPath(names[0]).name in METADATA:
        yield from ({SEVERAL: said} for said in ways_to_several(place, names[0]))


FORM = Form(
    name="imagefolder",
    phrase="metadata.csv or metadata.jsonl of a Hugging Face imagefolder",
    priority=60,
    recognise=_recognise,
    options={"label": "the column of labels", "encoding": "such as cp1252 or utf-16", SEVERAL: HELP, **OF_MARKS},
    choices=_choices,
)
