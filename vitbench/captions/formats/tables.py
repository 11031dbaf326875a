"""Tables of pictures and captions with any delimiter, encoding and quoting, such as Kaggle's CSVs of Flickr."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from vitbench.captions.formats.base import (
    KEYS,
    CaptionFormat,
    CaptionPlace,
    Recognised,
    captions_in,
    merged,
)
from vitbench.captions.formats.flickr import is_token_file, with_split_lists
from vitbench.captions.formats.homework import is_homework
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.dialects import Dialect, dialect_of
from vitbench.data.layouts.base import Declined
from vitbench.data.layouts.column_names import plain
from vitbench.data.pictures import picture_extensions

_OF_LANGUAGE = re.compile(r"(caption|comment|sentence|text|description)s?_[a-z]{2,3}")
_NUMBERED = re.compile(r"(caption|comment|sentence|text|description|sent)s?[ _.-]?\d+")


@dataclass(frozen=True)
class CaptionColumns:
    """Numbers of the columns; `header` tells whether the first row names them."""

    picture: int
    captions: tuple[int, ...]
    split: int | None
    header: bool


def read_caption_table(place: CaptionPlace, name: str) -> Rows | str:
    """The rows of a table of the place; a text says why it is none of pictures and captions."""
    decoded = place.text(name)
    dialect = dialect_of(decoded.text, place.root / name)
    delimiter = dialect.delimiter
    raw = list(_records(dialect))
    if not raw:
        return "is empty"
    columns = _columns(place, raw)
    if isinstance(columns, str):
        return columns
    rows = Rows()
    rows.notes += [f"{name} {decoded.doubt}"] if decoded.doubt else []
    rows.notes += [f"{name}, {note}" for note in dialect.notes]
    own = split_of(PurePosixPath(name).stem)
    width = len(raw[0][1])
    for line, fields, text in raw[1 if columns.header else 0 :]:
        where = f"{name}, line {line}"
        if len(fields) <= max(columns.picture, columns.captions[0]):
            rows.problems.append(
                f"{where}: {len(fields)} fields instead of {max(columns.picture, *columns.captions) + 1}"
            )
            continue
        cells = _rejoined(fields, text, width, columns, delimiter)
        named = cells[columns.split] if columns.split is not None and columns.split < len(cells) else ""
        split = rows.split_named(named)
        picture = cells[columns.picture].strip()
        values = [cells[column] for column in columns.captions if column < len(cells)]
        if len(columns.captions) > 1:
            values = [value for value in values if value.strip()] or values[:1]
        for value in values:
            for caption in captions_in(value.strip()):
                rows.add(picture, caption, split or own, where)
    return rows


def _records(dialect: Dialect) -> Iterator[tuple[int, list[str], str]]:
    """Line of the end, fields and own text of each row that is not blank."""
    lines = dialect.text.split("\n")
    # Where a bar parts the columns, quotation marks belong to the captions (Kaggle's results.csv of Flickr30k).
    quoting: Literal[0, 3] = csv.QUOTE_NONE if dialect.delimiter == "|" else csv.QUOTE_MINIMAL
    reader = csv.reader(
        io.StringIO(dialect.text, newline=""),
        delimiter=dialect.delimiter,
        quoting=quoting,
        escapechar=dialect.escape if quoting == csv.QUOTE_MINIMAL else None,
        quotechar=dialect.quote,
        skipinitialspace=dialect.delimiter != "\t",
    )
    start = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            start = reader.line_num
            continue
        own = "\n".join(lines[start : reader.line_num])
        start = reader.line_num
        if any(field.strip() for field in fields):
            yield reader.line_num + dialect.first_line - 1, fields, own


def _rejoined(fields: list[str], text: str, width: int, columns: CaptionColumns, delimiter: str) -> list[str]:
    """The cells of a row; a caption in the last column may hold the delimiter without quotation marks."""
    last = max(columns.captions)
    if len(fields) <= width or last != width - 1 or columns.split == last or len(columns.captions) > 1:
        return fields
    if '"' not in text or delimiter == "|":
        return [*fields[:last], text.rstrip("\r").split(delimiter, last)[last].strip()]
    return [*fields[:last], f"{delimiter} ".join(fields[last:])]


def _columns(place: CaptionPlace, raw: Sequence[tuple[int, list[str], str]]) -> CaptionColumns | str:
    names = [plain(name.strip('"')) for name in raw[0][1]]
    pictures = [names.index(name) for name in KEYS.picture if name in names]
    captions = [names.index(name) for name in KEYS.caption if name in names]
    numbered = [n for n, name in enumerate(names) if _NUMBERED.fullmatch(name) and "number" not in name]
    captions = numbered if len(numbered) > 1 or not captions else captions[:1]
    if pictures and captions and pictures[0] not in captions:
        split = next((names.index(name) for name in KEYS.split if name in names), None)
        return CaptionColumns(pictures[0], tuple(captions), split, header=True)
    if captions and (other := _named_pictures(place, raw)) is not None and other not in captions:
        split = next((names.index(name) for name in KEYS.split if name in names), None)
        return CaptionColumns(other, tuple(captions), split, header=True)
    first = raw[0][1]
    if len(first) >= 2 and _is_picture(place, first[0]) and _are_captions(raw, len(first) - 1):
        return CaptionColumns(0, (len(first) - 1,), None, header=False)
    if len(first) == 2 and _ends_as_picture(first[1]) and _are_captions(raw, 0):
        return CaptionColumns(1, (0,), None, header=False)
    if languages := [raw[0][1][n] for n, name in enumerate(names) if _OF_LANGUAGE.fullmatch(name)]:
        return f"has captions in several languages ({', '.join(languages)}): keep one of these columns, called caption"
    found = ", ".join(name[:30] for name in raw[0][1][:6])
    if captions and any(name in names for name in ("url", "image_url", "link")):
        return f"names addresses of pictures (it has {found}): download them, and name the files"
    what = "a column of pictures" if captions else "a column of captions" if pictures else "columns of both"
    return f"lacks {what} (it has {found})"


def _named_pictures(place: CaptionPlace, raw: Sequence[tuple[int, list[str], str]]) -> int | None:
    """The column of a table with a header whose cells name pictures, whatever it is called; None if there is none."""
    rows = [fields for _, fields, _ in raw[1:20]]
    for number in range(len(raw[0][1])):
        cells = [fields[number] for fields in rows if number < len(fields) and fields[number].strip()]
        if cells and sum(bool(place.finder.find(cell)) for cell in cells) * 2 > len(rows):
            return number
    return None


def _are_captions(raw: Sequence[tuple[int, list[str], str]], column: int) -> bool:
    """Whether the cells of the first rows are captions and no labels; Chinese has no blanks to count."""
    cells = [fields[column] for _, fields, _ in raw[:20] if column < len(fields)]
    return sum(len(cell.split()) > 2 or (len(cell) > 5 and not cell.isascii()) for cell in cells) * 2 > len(cells)


def _first_words(place: CaptionPlace, name: str) -> Rows | None:
    """A text whose lines begin with a picture's name (`1000268201 child in pink dress`); None if it is none."""
    decoded = place.text(name)
    lines = [(n, _parted(line)) for n, line in enumerate(decoded.text.split("\n"), start=1) if line.strip()]
    tried = lines[:20]
    good = sum(len(words) == 2 and " " in words[1].strip() and bool(place.finder.find(words[0])) for _, words in tried)
    if good * 2 <= len(tried):
        return None
    rows = Rows()
    rows.notes += [f"{name} {decoded.doubt}"] if decoded.doubt else []
    for number, words in lines:
        rows.add(
            words[0], words[1] if len(words) > 1 else "", split_of(PurePosixPath(name).stem), f"{name}, line {number}"
        )
    return rows


def _parted(line: str) -> list[str]:
    """The first word of a line, and the rest without a colon or an arrow between them."""
    words = line.split(None, 1)
    if len(words) == 2:
        words = [words[0].removesuffix(":"), re.sub(r"^(->|=>|[:=|])\s+", "", words[1])]
    return words


def _ends_as_picture(cell: str) -> bool:
    return PurePosixPath(cell.strip()).suffix.lower() in picture_extensions()


def _is_picture(place: CaptionPlace, cell: str) -> bool:
    return _ends_as_picture(cell) or bool(place.finder.find(cell))


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    stems = {picture.rpartition(".")[0] for picture in place.pictures}
    found, near = [], []
    for name in place.files(".csv", ".tsv", ".txt", ".tab", ".psv", deepest=1):
        path = PurePosixPath(name)
        if name.rpartition(".")[0] in stems or path.name == "metadata.csv" or "lemma" in name:
            continue
        if path.parent.name and path.suffix.lower() == ".txt":
            continue
        text = place.text(name).text
        if is_token_file(text) or is_homework(text):
            continue
        rows = read_caption_table(place, name)
        if isinstance(rows, Rows):
            if rows.captions:
                kind = "Flickr CSV" if path.suffix.lower() in (".csv", ".txt") else "TSV of pictures and captions"
                found.append(Recognised(kind, rows))
        elif (words := _first_words(place, name)) is not None:
            found.append(Recognised("a text of names and captions", words))
        elif path.suffix.lower() != ".txt" or place.file is not None:
            near.append(f"{name} {rows}")
    if found:
        return with_split_lists(place, merged(found))
    return Declined("; ".join(near[:3]) or "there is no table of pictures and captions", near=bool(near))


FORMAT = CaptionFormat("caption-table", "a CSV or TSV of pictures and captions", 30, _recognise)
