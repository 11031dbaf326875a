"""Event files that somebody has packed with gzip."""

import gzip
import zlib
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.reading import EVENTS, open_file

ENDING = ".gz"
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, UserError)
"""What `unpack` raises for a file that is cut, damaged, too large, or not packed at all."""
_LARGEST_UNPACKED = 4 * 1024**3
_PIECE = 2**20


def is_packed(file: Path) -> bool:
    """Whether a file is packed, by its name."""
    return file.name.endswith(ENDING)


def other_form(file: Path) -> Path:
    """The same log unpacked, of a packed file; packed, of an unpacked one."""
    return file.with_name(file.name.removesuffix(ENDING) if is_packed(file) else file.name + ENDING)


def unpack(file: Path, target: Path) -> None:
    """Unpacks a gzip file. What is before a damage is kept, as of any log that was cut.

    Raises `UNPACKING_ERRORS`.
    """
    with open_file(file, EVENTS) as raw, gzip.GzipFile(fileobj=raw) as stream, target.open("wb") as out:
        size = 0
        while piece := stream.read1(_PIECE):  # `read` would lose what came before a damage
            size += len(piece)
            if size > _LARGEST_UNPACKED:
                raise UserError(f"it has more than {_LARGEST_UNPACKED // 1024**3} GB unpacked")
            out.write(piece)


def read_beginning(file: Path, size: int) -> bytes:
    """The first `size` bytes of an event file, packed or not. Raises `UNPACKING_ERRORS`."""
    with open_file(file, EVENTS) as raw:
        if not is_packed(file):
            return raw.read(size)
        with gzip.GzipFile(fileobj=raw) as stream:
            return stream.read(size)
