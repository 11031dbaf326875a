"""Files that are whole or absent, whenever the power goes."""

import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.files.reading import what_it_is

_LONGEST_NAME = 255
"""In bytes, on every common file system."""
_MOST_CLEARED = 4096
_ENDING = r"\.\d+(-[0-9a-f]{4})?\.tmp"
_TEMPORARY = re.compile(r"\..+" + _ENDING)
_cleared: set[Path] = set()
"""Beside which files this process has looked for what killed writers left; once is enough."""


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
    with temporary_file(file) as (temporary, stream):
        yield stream
        stream.flush()
        if durable:
            os.fsync(stream.fileno())
        temporary.replace(file)
    if durable:
        sync_folder(file.parent)


def write_whole(file: Path, content: bytes | str, durable: bool = True) -> None:
    """Replaces `file` by `content`, text in UTF-8, in one step. Raises as `writing` does."""
    try:
        data = content.encode() if isinstance(content, str) else content
    except UnicodeEncodeError as error:
        bad = ascii(error.object[error.start])
        raise Unwritable(
            f"{file} cannot be written: {bad} in it is not a character of UTF-8; rename what has it."
        ) from error
    with writing(file, durable) as stream:
        stream.write(data)


def open_to_append(file: Path) -> BinaryIO:
    """Opens a regular file to write at its end, without buffering, and makes it if it does not exist.

    Never blocks. Raises OSError, and Unwritable for what is not a regular file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(file, flags, 0o666)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise Unwritable(f"{file} cannot be written: it is {what_it_is(mode)}, not a regular file.")
    return os.fdopen(descriptor, "ab", buffering=0)


@contextmanager
def temporary_file(file: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `file`, locked as long as its writer lives. It is gone afterwards, unless it was renamed.

    What writers of the same file left when they were killed is removed. Raises OSError.
    """
    clear_litter(file)
    while True:
        temporary = temporary_name(file)
        stream = temporary.open("xb")
        if _locked(temporary, stream.fileno()):
            break
        stream.close()  # somebody took it for litter before it was locked
    try:
        with stream:
            yield temporary, stream
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """As `temporary_file`, a folder."""
    clear_litter(folder)
    while True:
        temporary = temporary_name(folder)
        temporary.mkdir()
        try:
            descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if _locked(temporary, descriptor):
            break
        os.close(descriptor)
    try:
        yield temporary
    finally:
        os.close(descriptor)
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_name(file: Path) -> Path:
    """A new name beside `file`, hidden, with the writer's pid: `.status.json.4711-9f2c.tmp`."""
    return file.with_name(f"{_beginning(file)}.{os.getpid()}-{secrets.token_hex(2)}.tmp")


def clear_litter(file: Path) -> None:
    """Removes temporary files and folders of `file` whose writers are gone: the kernel has freed their locks."""
    if file in _cleared:
        return
    if len(_cleared) >= _MOST_CLEARED:
        _cleared.clear()
    _cleared.add(file)
    name = re.compile(re.escape(_beginning(file)) + _ENDING)
    with suppress(OSError):
        for entry in [entry for entry in os.scandir(file.parent) if name.fullmatch(entry.name)]:
            _remove_abandoned(Path(entry.path))


def clear_folder(folder: Path) -> None:
    """As `clear_litter`, for all files and folders whose temporary ones lie in `folder`."""
    with suppress(OSError):
        for entry in [entry for entry in os.scandir(folder) if _TEMPORARY.fullmatch(entry.name)]:
            _remove_abandoned(Path(entry.path))


def is_being_written(path: Path) -> bool:
    """Whether `path` has the name of a temporary file or folder, and its writer lives."""
    return _TEMPORARY.fullmatch(path.name) is not None and is_locked(path) is True


def _beginning(file: Path) -> str:
    room = _LONGEST_NAME - len(".") - len(".1234567890-1234.tmp")
    return f".{os.fsdecode(os.fsencode(file.name)[:room])}"


def _locked(path: Path, descriptor: int) -> bool:
    """Locks a new file or folder; whether it is ours, and still there by its name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False  # whoever holds it takes it for litter
    except OSError:
        pass  # a file system without locks
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_abandoned(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
