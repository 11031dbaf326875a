"""Flickr8k and Flickr30k: the token files, their Kaggle CSVs, and the lists of pictures of each part."""

import csv
import re
from pathlib import Path

from vitbench.captions.formats.rows import Rows, read_text, split_of

_TOKEN_LINE = re.compile(r"^(?P<name>.+?\.\w{3,4})(?:\.\d+)?#(?P<number>\d+)\s+(?P<sentence>.*)$")


def is_token_file(text: str) -> bool:
    """Whether the first line reads `name.jpg#0<tab>sentence`."""
    return _TOKEN_LINE.match(text.split("\n", 1)[0]) is not None


def read_token_file(file: Path, text: str) -> Rows:
    """Lines `name.jpg#0<tab>sentence` (Flickr8k has one `name.jpg.1#0`: the same picture)."""
    rows = Rows()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _TOKEN_LINE.match(line)
        if match is None:
            rows.problems.append(f"{file.name}, line {number}: not of the form name.jpg#0 and a sentence")
        else:
            rows.add(match["name"], match["sentence"], "", f"{file.name}, line {number}")
    return rows


def csv_columns(text: str) -> tuple[str, int, int] | None:
    """`(delimiter, picture column, sentence column)` of a Kaggle CSV, by its header; None for other files."""
    header = text.split("\n", 1)[0]
    delimiter = "|" if "|" in header else ","
    names = [name.strip().strip('"').lower() for name in header.split(delimiter)]
    pictures = [
        names.index(name) for name in ("image", "image_name", "filename", "file_name", "image_id") if name in names
    ]
    sentences = [
        names.index(name) for name in ("caption", "comment", "caption_text", "text", "sentence") if name in names
    ]
    return (delimiter, pictures[0], sentences[0]) if pictures and sentences else None


def read_captions_csv(file: Path, text: str, columns: tuple[str, int, int]) -> Rows:
    """Kaggle's `captions.txt` (`image,caption`) and `results.csv` (`image_name| comment_number| comment`).

    The Flickr30k file has one row whose fields run together: it is a problem, not a sentence.
    """
    delimiter, picture, sentence = columns
    rows = Rows()
    lines = text.splitlines()[1:]
    if delimiter == ",":
        reader = csv.reader(lines, skipinitialspace=True)
    else:
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, skipinitialspace=True)
    split = split_of(file.stem)
    for fields in reader:
        where = f"{file.name}, line {reader.line_num + 1}"
        if not any(field.strip() for field in fields):
            continue
        if len(fields) <= max(picture, sentence):
            rows.problems.append(f"{where}: {len(fields)} fields instead of {max(picture, sentence) + 1}")
            continue
        # An unquoted sentence may hold the delimiter; when it is the last column, what follows belongs to it.
        last = sentence == max(picture, sentence)
        words = ", ".join(fields[sentence:]) if last and delimiter == "," else fields[sentence]
        rows.add(fields[picture], words, split, where)
    return rows


def read_split_lists(folder: Path) -> dict[str, str]:
    """`Flickr_8k.trainImages.txt`, `.devImages.txt`, `.testImages.txt`: the split of each picture name."""
    splits = {}
    for file in sorted(folder.glob("*[Ii]mages.txt")):
        match = re.search(r"(train|dev|val|test)Images", file.name)
        if match:
            split = split_of(match[1])
            splits.update({line.strip(): split for line in read_text(file).splitlines() if line.strip()})
    return splits
