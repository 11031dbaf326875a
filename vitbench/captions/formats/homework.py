"""The homework folder: `images/` and `caption.txt`, whose blocks open with `### name.jpg`."""

import re
from pathlib import Path

from vitbench.captions.formats.base import CaptionFormat, CaptionPlace, Recognised, merged
from vitbench.captions.formats.rows import Rows
from vitbench.data.layouts.base import Declined

_BLOCK = re.compile(r"^###\s*(?P<name>\S.*\.\w{2,5})\s*$")


def is_homework(text: str) -> bool:
    """Whether one of the first lines opens a picture's block."""
    return any(_BLOCK.match(line.rstrip("\r")) for line in text.split("\n")[:50])


def read_homework(file: Path, text: str) -> Rows:
    """Each line of a block is a caption. A `###` line that names no picture (the first one does not) is a comment."""
    rows = Rows()
    name = None
    for number, line in enumerate(text.split("\n"), start=1):
        block = _BLOCK.match(line.rstrip("\r"))
        if block:
            name = block["name"]
        elif not line.strip() or line.startswith("###"):
            continue
        elif name is None:
            rows.problems.append(f"{file.name}, line {number}: a caption before the first '### name.jpg'")
        else:
            rows.add(name, line, "", f"{file.name}, line {number}")
    return rows


def _recognise(place: CaptionPlace) -> Recognised | Declined:
    found = []
    for name in place.files(".txt"):
        text = place.text(name)
        if is_homework(text.text):
            rows = read_homework(place.root / name, text.text)
            rows.notes += [f"{name} {text.doubt}"] if text.doubt else []
            found.append(Recognised(f"homework folder ({name})", rows))
    return merged(found) if found else Declined("no .txt file has lines like '### name.jpg'")


FORMAT = CaptionFormat("caption-txt", "caption.txt with '### name.jpg' lines", 50, _recognise)
