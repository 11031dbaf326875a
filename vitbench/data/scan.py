"""A look at every picture file of a data set: once, in parallel, and remembered."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from vitbench.data.parallel import in_parallel
from vitbench.data.pictures import (
    UnreadablePicture,
    as_seen,
    deep_range,
    is_deep_colour,
    is_rotated,
    is_sequence,
    load_picture,
    not_finite,
    read_file,
)
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.files.writing import write_whole
from vitbench.progress import Progress, silent

_FORM = 5
"""Of the remembered file; one of another form is not read."""

Stamp = tuple[int, int]
"""Bytes, and time of the last change of the file or of its facts (ctime) in nanoseconds: what a changed file differs
in. The time that programs set (mtime) is kept by `cp -p` and `rsync` for other contents of the same size."""


@dataclass(frozen=True)
class ProbedPicture:
    """What one look at a file found. `reason` is empty for a good picture; width and height are as it is seen."""

    width: int = 0
    height: int = 0
    mode: str = ""
    rotated: bool = False
    digest: str = ""
    reason: str = ""
    low: float = 0.0
    high: float = 0.0
    """Lowest and highest value of a picture of more than 8 bits; of 16 bits a channel in colour, as read in 8."""
    is_sequence: bool = False
    """Whether the file has further frames or pages, which are not looked at."""
    not_finite: int = 0
    """Values in floating point that are no numbers, or infinite."""
    is_deep_colour: bool = False
    """Whether it has 16 bits a channel, of which 8 are read."""


def probe_picture(path: Path) -> ProbedPicture:
    """Reads and decodes a file to its last byte, as training will."""
    try:
        with ExitStack() as turn:
            content = read_file(path, turn)
            digest = digest_of(content)
            own = load_picture(content, str(path), turn)
            deep_colour = is_deep_colour(own, content[:64])
            del content  # of a large picture, as large as its pixels
            width, height = as_seen(own, str(path)).size
    except UnreadablePicture as error:
        return ProbedPicture(reason=error.reason)
    is_deep = own.mode.startswith(("I", "F"))
    low, high = deep_range(own) if is_deep else deep_range(own.convert("RGB")) if deep_colour else (0.0, 0.0)
    odd = not_finite(own)
    if odd == own.width * own.height:
        return ProbedPicture(reason="holds no finite number")
    more = is_sequence(own), odd, deep_colour
    return ProbedPicture(width, height, own.mode, is_rotated(own), digest, "", low, high, *more)


def digest_of(content: bytes) -> str:
    """A name for the bytes of a file: 128 bits of BLAKE2b."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def check_pictures(root: Path, files: Sequence[str], memory: Path, progress: Progress = silent) -> list[ProbedPicture]:
    """One look a file, in their order. A file whose size and time of change are as remembered is not opened.

    What was seen is kept in the file `memory`, also when the work is interrupted.
    """
    stamps = {file: _stamp(root / file) for file in files}
    known = _recall(memory)
    probed = {file: known[file][1] for file in files if file in known and known[file][0] == stamps[file]}
    new = [file for file in files if file not in probed]
    if new:
        try:
            for file, one in zip(new, in_parallel(lambda file: probe_picture(root / file), new), strict=True):
                probed[file] = one
                progress(len(probed) - len(files) + len(new), len(new), "looking at each picture")
        finally:
            _remember(memory, {file: (stamps[file], one) for file, one in probed.items()})
    return [probed[file] for file in files]


def _stamp(path: Path) -> Stamp:
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return facts.st_size, facts.st_ctime_ns


def _recall(memory: Path) -> dict[str, tuple[Stamp, ProbedPicture]]:
    """What earlier looks found; nothing if the file is missing or damaged, since looking again mends that."""
    try:
        kept = read_json_object(memory, EVALUATION)
        if kept["form"] != _FORM:
            return {}
        seen = {file: ((size, changed), ProbedPicture(*one)) for file, (size, changed, *one) in kept["files"].items()}
        # What could not be read may be readable with a library or a limit that was set since.
        return {file: (stamp, one) for file, (stamp, one) in seen.items() if not one.reason}
    except (UserError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _remember(memory: Path, probed: dict[str, tuple[Stamp, ProbedPicture]]) -> None:
    # A file that is missing or cannot be read is looked at again: the disk may be back, the rights mended.
    rows = {file: (*stamp, *astuple(one)) for file, (stamp, one) in probed.items() if stamp[0] >= 0}
    # A store that is full or may not be written costs a second look next time, no more.
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps({"form": _FORM, "files": rows}))
