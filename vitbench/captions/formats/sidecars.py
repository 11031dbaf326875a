"""A text file beside each picture, of its name: each of its lines is a caption."""

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised
from vitbench.captions.formats.rows import Rows, split_of
from vitbench.data.layouts.base import Declined
from vitbench.errors import UserError

_ENDINGS = (".txt", ".caption")


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    if place.file is not None:
        return Declined("a file was named, and no folder")
    rows = Rows()
    others = set(place.others)
    doubts: dict[str, list[str]] = {}
    for picture in place.pictures:
        stem = picture.rpartition(".")[0]
        name = next((stem + ending for ending in _ENDINGS if stem + ending in others), None)
        if name is None:
            continue
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
    for encoding, names in doubts.items():
        rows.notes.append(f"{len(names):,} text files are not UTF-8 and were read as {encoding}, such as {names[0]}")
    if not rows.captions:
        return Declined("no picture has a .txt of its name beside it")
    return Recognised("a .txt beside each picture", rows)


FORMAT = CaptionFormat("sidecars", "a .txt beside each picture", 10, _recognise)
