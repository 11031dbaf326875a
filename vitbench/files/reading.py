"""Opens every file that comes from outside: only regular files, never blocking, never more memory than a limit.

A FIFO would block for ever, a device has no end, and a sparse file of 20 GB takes no disk but all memory.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from vitbench.errors import UserError
from vitbench.text import shortened, size_in_words

MIB = 1024**2


@dataclass(frozen=True)
class Kind:
    """What a file is for: its name in messages, and the most bytes that are read of it."""

    name: str
    limit: int


RECIPE = Kind("recipe", MIB // 4)
RECORD = Kind("record of a run", 16 * MIB)
"""status.json, environment.json, names.json, and other small files of a run or of the store."""
SETTINGS = Kind("settings file", MIB)
DESCRIPTION = Kind("description of a network", 64 * MIB)
"""network.json, captioner.json (with its vocabulary), config.json, tokenizer files."""
EVALUATION = Kind("evaluation", 1024 * MIB)
PICTURE = Kind("picture", 512 * MIB)
TABLE = Kind("table", 2048 * MIB)
CAPTIONS = Kind("caption file", 1024 * MIB)
LOG = Kind("log", 1024**5)
"""Only its end is read, or a bounded piece at a time."""
EVENTS = Kind("event file", 1024**5)
"""Read a bounded piece at a time."""
PIXELS = Kind("cache of decoded pictures", 1024**5)
"""Mapped into memory, not read."""
WEIGHTS = Kind("weight file", 65536 * MIB)


class Unreadable(UserError, OSError):
    """A file that cannot be read: a sentence for a person, and an OSError for code that expects one.

    `reason` says why without the file's name.
    """

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason


class MissingFile(Unreadable, FileNotFoundError):
    """There is no such file."""


def open_file(file: str | os.PathLike[str], kind: Kind) -> FileIO:
    """Opens a regular file for reading, without buffering, at its beginning.

    Never blocks, whatever the path leads to. Raises MissingFile or Unreadable, which name the file and say why.
    """
    try:
        # Before it is opened, since opening a FIFO or a device may have effects.
        _check(file, os.stat(file), kind)  # noqa: PTH116 - of thousands of runs, at each look
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _check(file, os.fstat(descriptor), kind)
            return FileIO(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
    except Unreadable:
        raise
    except FileNotFoundError as error:
        raise MissingFile(f"{_shown(file)} does not exist.", "No such file or directory") from error
    except OSError as error:
        raise _refused(file, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL byte or half a character in the path
        raise Unreadable(f"{_shown(file)} cannot be the path of a file.", "no file can have this name") from error


def check_file(file: str | os.PathLike[str], kind: Kind) -> Path:
    """The path of `file`, for a library that opens files itself. Raises as `open_file` does."""
    open_file(file, kind).close()
    return Path(file)


def read_bytes(file: str | os.PathLike[str], kind: Kind) -> bytes:
    """All of a file. Raises as `open_file` does, also if it grows beyond the limit of its kind while it is read."""
    with open_file(file, kind) as stream, _bounded(file):
        return _read_up_to(stream, kind.limit, file, kind)


def read_text(file: str | os.PathLike[str], kind: Kind, errors: str = "strict") -> str:
    """All of a text file in UTF-8, without its byte order mark; `errors` as for `bytes.decode`.

    Raises as `open_file` does, and Unreadable with the line of what is not UTF-8.
    """
    content = read_bytes(file, kind)
    with _bounded(file):
        try:
            return content.decode("utf-8-sig", errors)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            reason = "it is not UTF-8 text; save it as UTF-8"
            raise Unreadable(f"{_shown(file)}, line {line}: {reason}.", f"line {line}: {reason}") from error


def read_piece(file: str | os.PathLike[str], offset: int, size: int, kind: Kind) -> bytes:
    """At most `size` bytes of a file from `offset` on; fewer at its end. Raises as `open_file` does."""
    with open_file(file, kind) as stream, _bounded(file):
        stream.seek(offset)
        return _read_some(stream, size)


def what_it_is(mode: int) -> str:
    """What a path leads to, by its `st_mode`: `a folder`, `a pipe (FIFO)`."""
    for is_it, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe (FIFO)"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_it(mode):
            return name
    return "a regular file" if stat.S_ISREG(mode) else "no regular file"


def _check(file: str | os.PathLike[str], status: os.stat_result, kind: Kind) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(file, f"it is {what_it_is(status.st_mode)}, not a regular file")
    if status.st_size > kind.limit:
        raise _too_large(file, status.st_size, kind)


def _too_large(file: str | os.PathLike[str], size: int, kind: Kind) -> Unreadable:
    article = "an" if kind.name[0] in "aeiou" else "a"
    reason = f"it has {size_in_words(size)}, and at most {size_in_words(kind.limit)} are read"
    return Unreadable(f"{_shown(file)} is too large for {article} {kind.name}: {reason}.", reason)


def _refused(file: str | os.PathLike[str], reason: str) -> Unreadable:
    return Unreadable(f"{_shown(file)} cannot be read: {reason}.", reason)


def _read_up_to(stream: FileIO, limit: int, file: str | os.PathLike[str], kind: Kind) -> bytes:
    # The size is asked for, not trusted: a file may grow, and those of /proc say 0.
    size = os.fstat(stream.fileno()).st_size
    data = _read_some(stream, min(size, limit) + 1)
    if len(data) <= size:
        return data
    pieces, total = [data], len(data)
    while total <= limit and (piece := stream.read(min(MIB, limit + 1 - total))):
        pieces.append(piece)
        total += len(piece)
    if total > limit:
        raise _too_large(file, total, kind)
    return b"".join(pieces)


def _read_some(stream: FileIO, size: int) -> bytes:
    """`size` bytes, or what there is to the end of the file: one call may return less than it was asked for."""
    data = stream.read(size)
    if not data or len(data) == size:
        return data
    pieces, total = [data], len(data)
    while total < size and (piece := stream.read(min(MIB, size - total))):
        pieces.append(piece)
        total += len(piece)
    return b"".join(pieces) if len(pieces) > 1 else data


@contextmanager
def _bounded(file: str | os.PathLike[str]) -> Iterator[None]:
    """What goes wrong while a file is read, in a sentence with its name."""
    try:
        yield
    except Unreadable:
        raise
    except OSError as error:
        raise _refused(file, error.strerror or str(error)) from error
    except MemoryError as error:
        raise _refused(file, "there is not enough memory for it") from error


def _shown(file: str | os.PathLike[str]) -> str:
    return shortened(os.fspath(file))
