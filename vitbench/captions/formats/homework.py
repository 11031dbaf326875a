"""The homework folder: `images/` and `caption.txt`, whose blocks open with `### name.jpg`."""

import re
from pathlib import Path

from vitbench.captions.formats.rows import Rows

_BLOCK = re.compile(r"^###\s*(?P<name>\S.*\.\w{2,5})\s*$")


def is_homework(text: str) -> bool:
    """Whether one of the first lines opens a picture's block."""
    return any(_BLOCK.match(line) for line in text.splitlines()[:50])


def read_homework(file: Path, text: str) -> Rows:
    """Each line of a block is a sentence. A `###` line that names no picture (the first one does not) is a comment."""
    rows = Rows()
    name = None
    for number, line in enumerate(text.splitlines(), start=1):
        block = _BLOCK.match(line)
        if block:
            name = block["name"]
        elif not line.strip() or line.startswith("###"):
            continue
        elif name is None:
            rows.problems.append(f"{file.name}, line {number}: a sentence before the first '### name.jpg'")
        else:
            rows.add(name, line, "", f"{file.name}, line {number}")
    return rows
