"""Reads what the terminfo database says of a terminal's colours, user-defined capabilities (Tc, RGB, setrgbf) included.

Python's curses reads one terminal a process, and a Python may lack it; the compiled form (man 5 term) is simple.
"""

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo")
_LARGEST = 64 * 1024
_WIDE_NUMBERS = 0o1036
"""The magic number of entries with numbers of four bytes; the older 0o432 has two."""
_MAX_COLORS = 13
"""Where `colors` stands among the numbers."""


@dataclass(frozen=True)
class Terminfo:
    """Colours (None for a terminal that the database does not know, 0 for one without), and whether true colour."""

    colours: int | None
    true: bool = False


def read_terminfo(term: str, environment: Mapping[str, str] = os.environ) -> Terminfo:
    """The entry for a terminal; one that is missing or damaged is unknown."""
    for file in _places(term, environment):
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                continue
            return _parsed(file.read_bytes())
        except (OSError, ValueError, IndexError, struct.error):
            continue
    return Terminfo(None)


def _places(term: str, environment: Mapping[str, str]) -> Iterator[Path]:
    if not term or "/" in term or "\0" in term or term.startswith("."):
        return
    folders = [environment.get("TERMINFO", ""), str(Path(environment.get("HOME") or "/") / ".terminfo")]
    folders += environment.get("TERMINFO_DIRS", "").split(":")
    for folder in (*folders, *_FOLDERS):
        if folder:
            yield Path(folder) / term[0] / term
            yield Path(folder) / f"{ord(term[0]):x}" / term


def _parsed(data: bytes) -> Terminfo:
    """Raises ValueError, IndexError or struct.error for what is no entry."""
    magic, names, booleans, numbers, strings, table = struct.unpack_from("<6h", data)
    if magic not in (0o432, _WIDE_NUMBERS) or min(names, booleans, numbers, strings, table) < 0:
        raise ValueError("not a terminfo entry")
    width, kind = (4, "i") if magic == _WIDE_NUMBERS else (2, "h")
    at = 12 + names + booleans
    at += at % 2
    values = struct.unpack_from(f"<{numbers}{kind}", data, at)
    colours = max(0, values[_MAX_COLORS]) if numbers > _MAX_COLORS else 0
    at += width * numbers + 2 * strings + table
    at += at % 2
    present = _user_defined(data, at, width, kind) if at + 10 <= len(data) else set()
    return Terminfo(colours, bool(present & {"Tc", "RGB", "setrgbf"}))


def _user_defined(data: bytes, at: int, width: int, kind: str) -> set[str]:
    """The names of the user-defined capabilities that are present."""
    booleans, numbers, strings, _, _ = struct.unpack_from("<5h", data, at)
    at += 10
    present = [value == 1 for value in data[at : at + booleans]]
    at += booleans + booleans % 2
    present += [value >= 0 for value in struct.unpack_from(f"<{numbers}{kind}", data, at)]
    at += width * numbers
    offsets = struct.unpack_from(f"<{strings}h", data, at)
    present += [offset >= 0 for offset in offsets]
    at += 2 * strings
    name_offsets = struct.unpack_from(f"<{len(present)}h", data, at)
    table = at + 2 * len(present)
    # The names follow the values of the strings that are present.
    last = max((offset for offset in offsets if offset >= 0), default=-1)
    names = table if last < 0 else data.index(b"\0", table + last) + 1
    found = set()
    for offset, there in zip(name_offsets, present, strict=True):
        start = names + offset
        if there:
            found.add(data[start : data.index(b"\0", start)].decode("ascii", "replace"))
    return found
