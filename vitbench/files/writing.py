"""Files that are whole or absent, whenever the power goes."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vitbench.errors import UserError
from vitbench.files.reading import what_it_is

_LONGEST_NAME = 255
"""In bytes, on every common file system."""


class Unwritable(UserError, OSError):
    """A file that cannot be written where it was asked for: a sentence, and an OSError for code that expects one."""


@contextmanager
def writing(file: Path, durable: bool = True) -> Iterator[BinaryIO]:
    """A stream whose content replaces `file` in one step when the block ends; after a failure the old file stands.

    A `durable` file also survives a power cut. Raises OSError (a full disk), and Unwritable if something that is no
    regular file has this name: it would be replaced too, were it /dev/null.
    """
    try:
        mode = file.stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # it does not exist, or creating the temporary file says what is wrong
    if not stat.S_ISREG(mode):
        raise Unwritable(f"{file} cannot be written: it is {what_it_is(mode)}, not a regular file.")
    temporary = temporary_name(file)
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(file.parent)


def write_whole(file: Path, content: bytes | str, durable: bool = True) -> None:
    """Replaces `file` by `content`, text in UTF-8, in one step. Raises as `writing` does."""
    try:
        data = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        bad = ascii(error.object[error.start])
        raise Unwritable(
            f"{file} cannot be written: {bad} in it is no character of UTF-8; rename what has it."
        ) from error
    with writing(file, durable) as stream:
        stream.write(data)


def open_to_append(file: Path) -> BinaryIO:
    """Opens a regular file to write at its end, without buffering, and makes it if it does not exist.

    Never blocks. Raises OSError, and Unwritable for what is no regular file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o666)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise Unwritable(f"{file} cannot be written: it is {what_it_is(mode)}, not a regular file.")
    return os.fdopen(descriptor, "ab", buffering=0)


def temporary_name(file: Path) -> Path:
    """A new name beside `file`, hidden, with the writer's pid: `.status.json.4711-9f2c.tmp`."""
    ending = f".{os.getpid()}-{secrets.token_hex(2)}.tmp"
    beginning = os.fsencode(file.name)[: _LONGEST_NAME - len(ending) - 1]
    return file.with_name(f".{os.fsdecode(beginning)}{ending}")


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
