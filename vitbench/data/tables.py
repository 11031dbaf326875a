"""Tables as programs and people write them: any delimiter, encoding and quoting; CSV, JSON lines, lists in JSON."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.data.dialects import Dialect, dialect_of, has_columns_of_blanks
from vitbench.data.encodings import read_decoded
from vitbench.data.json_tables import flat, objects_of
from vitbench.data.problems import Problem
from vitbench.errors import UserError
from vitbench.files.parsing import Malformed, parse_json
from vitbench.files.reading import TABLE, open_file

METADATA = ("metadata.csv", "metadata.jsonl")
"""The files in which Hugging Face's imagefolder keeps what is known of each picture."""

_MOST_HEADER = 64 * 1024


@dataclass
class Table:
    """The rows of a file as texts. `names` are those of the columns, or empty where the first row may be data.

    `rows` have the line that each ends on; `encoding` is the one that was read, `notes` say what was guessed.
    """

    path: Path
    names: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    encoding: str = "utf-8"
    notes: list[str] = field(default_factory=list)

    def column(self, number: int) -> Iterator[str]:
        """The values of a column, empty where a row has none."""
        for _, cells in self.rows:
            yield cells[number] if number < len(cells) else ""


def read_table(path: Path, encoding: str = "") -> Table:
    """All rows of a CSV, TSV or JSON lines file, or of a JSON list of objects; what is no row is a problem.

    The first row of a CSV is among `rows`, since it may be data: `split_header` takes it off. Raises UserError if the
    file cannot be read, or is not a table at all.
    """
    decoded = read_decoded(path, TABLE, encoding)
    table = Table(path, encoding=decoded.encoding)
    if decoded.doubt:
        table.notes.append(f"{path.name} {decoded.doubt}; --as :encoding=NAME reads it in another one.")
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson", ".manifest"):
        _read_objects(_json_lines(decoded.text, table), table)
    elif ending == ".json":
        _read_objects(_json_list(path, decoded.text, table), table)
    else:
        dialect = dialect_of(decoded.text, path)
        if has_columns_of_blanks(dialect):
            dialect.delimiter = " "
        table.notes += [f"{path.name}, {note}." for note in dialect.notes]
        _read_csv(dialect, table)
    return table


def first_cells(path: Path) -> list[str]:
    """The cells of the first line of a CSV; empty if it cannot be read."""
    try:
        with open_file(path, TABLE) as stream:
            line = stream.read(_MOST_HEADER).decode("utf-8", "replace").lstrip("\ufeff").partition("\n")[0]
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except (UserError, OSError, csv.Error):
        return []


def split_header(table: Table) -> Table:
    """The table with its first row as the names of its columns."""
    first = table.rows[0][1] if table.rows else []
    table.names = [name.strip() for name in first]
    table.rows = table.rows[1:]
    return table


def _read_csv(dialect: Dialect, table: Table) -> None:
    reader = csv.reader(
        io.StringIO(dialect.text, newline=""),
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        skipinitialspace=True,
    )
    line = 0
    try:
        for cells in reader:
            line = reader.line_num + dialect.first_line - 1
            if any(cell.strip() for cell in cells):
                table.rows.append((line, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(f"{table.path} is not a readable table after line {line}: {error}.") from error


def _json_lines(text: str, table: Table) -> Iterator[tuple[int, object]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            yield line, parse_json(content, table.path.name, line, allow_nan=True)
        except Malformed as error:
            table.problems.append(Problem(table.path.name, f"is not JSON ({error.reason}, line {line})"))


def _json_list(path: Path, text: str, table: Table) -> Iterator[tuple[int, object]]:
    try:
        document = parse_json(text, str(path), allow_nan=True)
    except Malformed as error:
        raise UserError(f"{path} is not valid JSON: {error.reason}.") from error
    document = objects_of(document)
    if document is None:
        raise UserError(f"{path} is not a table: it holds neither a list of objects nor names with labels.")
    yield from enumerate(document, start=1)


def _read_objects(objects: Iterator[tuple[int, object]], table: Table) -> None:
    columns: dict[str, int] = {}
    found: list[tuple[int, dict[str, Any]]] = []
    for line, value in objects:
        if isinstance(value, dict):
            value = flat(value)
            found.append((line, value))
            for name in value:
                columns.setdefault(str(name), len(columns))
        else:
            table.problems.append(Problem(table.path.name, f"names no file or no label (line {line})"))
    table.names = list(columns)
    table.rows = [(line, [_plain(value.get(name)) for name in columns]) for line, value in found]


def _plain(value: object) -> str:
    """A JSON value as a label or a name: text, whole numbers and truth values, or a list of such (as JSON); anything
    else is none."""
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return json.dumps(value, ensure_ascii=False)
    return str(value).strip() if isinstance(value, str | int) else ""
