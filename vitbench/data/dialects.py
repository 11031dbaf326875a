"""How the text of a table is written: what stands before its rows, what parts its columns, and how cells are quoted."""

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.data.pictures import picture_extensions

_DELIMITERS = (",", ";", "\t", "|")
_JUDGED_BY = 50
"""Rows at the beginning that tell the delimiter."""
_SEPARATOR = re.compile(r'\A"?sep=(?P<delimiter>.)"?\r?\n', re.IGNORECASE)
_QUOTED = re.compile(r"\A(?P<quote>['|`])[^'|`\r\n]*(?P=quote)[ ]?[,;\t][ ]?(?P=quote)[^\r\n]*(?P=quote)\r?\n")
"""A first line whose cells stand in other quotation marks than usual."""
_ESCAPED = re.compile(r'[^\\,;\t\n]\\"')
"""A quotation mark inside a cell as most programs other than spreadsheets write it; those write `""`."""


@dataclass
class Dialect:
    """A table's rows as `text`, and how they are written. `first_line` is the number of the first row's line.

    `notes` say what was mended, a phrase each that begins with the line.
    """

    text: str
    delimiter: str
    quote: str = '"'
    escape: str | None = None
    first_line: int = 1
    notes: list[str] = field(default_factory=list)


def dialect_of(text: str, path: Path | None = None) -> Dialect:
    """How a table is written: Excel's `sep=;` and lines of comments (#) before the header are passed over, and a
    quotation mark without its partner, which would swallow the rows after it, is taken off."""
    found = Dialect(text, "")
    if separator := _SEPARATOR.match(text):
        found.delimiter, found.text, found.first_line = separator["delimiter"], text[separator.end() :], 2
    lines = found.text.split("\n")
    comments = next((n for n, line in enumerate(lines) if not line.startswith("#")), 0)
    # A header may begin with a # of its own: it has as many cells as the row after it.
    if comments and comments < len(lines):
        header, row = lines[comments - 1], lines[comments]
        delimiter = found.delimiter or delimiter_of("\n".join(lines[comments:]))
        if 0 < header.count(delimiter) == row.count(delimiter):
            comments -= 1
            lines[comments] = lines[comments].lstrip("# ")
    found.first_line += comments
    found.text = "\n".join(lines[comments:])
    found.delimiter = found.delimiter or delimiter_of(found.text, path)
    if quoted := _QUOTED.match(found.text):
        found.quote = quoted["quote"]
    elif _ESCAPED.search(found.text) and '""' not in found.text:
        found.escape = "\\"
    if found.quote == '"' and found.delimiter != "|" and '"' in found.text:
        _close_quotes(found)
    return found


def delimiter_of(text: str, path: Path | None = None) -> str:
    """What parts the columns: the character that gives the same number of them (two at least) in most rows."""
    start = "\n".join(text.splitlines()[:_JUDGED_BY])
    best, score = ("\t" if path is not None and path.suffix.lower() == ".tsv" else ","), 0.0
    for delimiter in _DELIMITERS:
        try:
            counts = Counter(len(row) for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if row)
        except csv.Error:
            continue
        several = {columns: rows for columns, rows in counts.items() if columns > 1}
        if not several:
            continue
        columns = max(several, key=lambda columns: several[columns])
        # Of two that fit, the one before: a comma in a text after a semicolon is rarer in all rows than the semicolon.
        share = several[columns] / sum(counts.values()) + 0.001 * (delimiter == best)
        if share > score + 1e-9:
            best, score = delimiter, share
    return best


def has_columns_of_blanks(found: Dialect) -> bool:
    """Whether nothing but blanks parts columns: all lines have the same number of words, two at least."""
    lines = [line for line in found.text.split("\n", _JUDGED_BY)[:_JUDGED_BY] if line.strip()]
    counts = {len(line.split()) for line in lines}
    return not any(found.delimiter in line for line in lines) and len(counts) == 1 and min(counts) > 1


def _close_quotes(found: Dialect) -> None:
    """Takes quotation marks off that stay open over lines that are rows of their own."""
    endings = "|".join(re.escape(ending) for ending in sorted(picture_extensions()))
    row = re.compile(rf'\s*"?[^"{re.escape(found.delimiter)}]*(?:{endings})"?\s*{re.escape(found.delimiter)}', re.I)
    lines = found.text.split("\n")
    opens = [_opens(line, found.escape) for line in lines]
    number = 0
    while number < len(lines):
        if not opens[number]:
            number += 1
            continue
        end = next((other for other in range(number + 1, len(lines)) if opens[other]), None)
        swallowed = lines[number + 1 : len(lines) if end is None else end + 1]
        if end is not None and not any(map(row.match, swallowed)):
            number = end + 1
            continue
        before, _, after = lines[number].rpartition('"')
        lines[number] = before + after
        found.notes.append(f"line {number + found.first_line}: a quotation mark without its partner is taken off")
        number += 1
    found.text = "\n".join(lines)


def _opens(line: str, escape: str | None) -> bool:
    """Whether a line has an odd number of quotation marks."""
    return (line.count('"') - (line.count('\\"') if escape else 0)) % 2 == 1
