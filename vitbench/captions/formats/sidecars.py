"""A text file beside each picture, of its name: each of its lines is a caption."""

import re

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.layouts.base import Declined
from vitbench.errors import UserError
from vitbench.text import counted

_ENDINGS = (".txt", ".caption")
_NUMBERS = re.compile(r"[-+.\deE\s]*")


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    rows = Rows()
    others = set(place.others)
    doubts: dict[str, list[str]] = {}
    several: list[str] = []
    for picture in place.pictures:
        stem = picture.rpartition(".")[0]
        beside = [stem + ending for ending in _ENDINGS if stem + ending in others]
        if not beside:
            continue
        name = beside[0]
        if len(beside) > 1:
            several.append(beside[1])
        try:
            decoded = place.text(name)
        except UserError as error:
            rows.problems.append(str(error))
            continue
        if decoded.doubt:
            doubts.setdefault(decoded.encoding, []).append(name)
        split = split_of(picture.split("/")[0]) if "/" in picture else ""
        for number, line in enumerate(decoded.text.split("\n"), start=1):
            if line.strip():
                rows.add(picture, line, split, f"{name}, line {number}")
    if several:
        rows.notes.append(f"not used: {counted(len(several), 'other text')} beside pictures, such as {several[0]}")
    for encoding, names in doubts.items():
        rows.notes.append(f"{len(names):,} text files are not UTF-8 and were read as {encoding}, such as {names[0]}")
    if not rows.captions:
        return _in_a_folder_apart(place)
    return Recognised("a .txt beside each picture", rows)


def _in_a_folder_apart(place: CaptionPlace) -> Recognised | Declined:
    """Texts in a folder of their own (CUB's text_c10/001.Albatross/A_0001.txt), each called like one picture."""
    texts = [name for name in place.others if "/" in name and name.lower().endswith(_ENDINGS)]
    named = {name: place.finder.find(name.rpartition(".")[0].partition("/")[2]) for name in texts}
    found = {name: pictures[0] for name, pictures in named.items() if len(pictures) == 1}
    if len(found) < 2 or len(found) * 2 < len(texts):
        return Declined("no picture has a .txt of its name beside it")
    rows = Rows()
    for name, picture in found.items():
        try:
            lines = place.text(name).text.split("\n")
        except UserError as error:
            rows.problems.append(str(error))
            continue
        if not any(len(line.split()) > 1 and not _NUMBERS.fullmatch(line) for line in lines):
            continue  # boxes, or one label
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows.add(picture, line, split_of(picture.split("/")[0]), f"{name}, line {number}")
    missing = [name for name in texts if name not in found]
    rows.problems += [
        f"{name}: {'several pictures have' if named[name] else 'no picture has'} its name" for name in missing
    ]
    if not rows.captions:
        return Declined("the texts of the pictures' names hold no sentences")
    return Recognised(f"a .txt for each picture, in {next(iter(found)).partition('/')[0]}/", rows)


FORMAT = CaptionFormat("sidecars", "a .txt beside each picture", 10, _recognise)
