"""Outputs that are no files: /dev/stdout, pipes, terminals and /dev/null. They are written to, and never replaced."""

import errno
import os
import re
import stat
import sys
from pathlib import Path

from vitbench.errors import UserError

_TERMINALS = {4, 5, *range(136, 144)}
"""Major numbers of the devices that are terminals (Linux, Documentation/admin-guide/devices.txt)."""
_MEMORY, _NULL, _FULL = 1, 3, 7
"""Major number of memory devices; the minor numbers of /dev/null and /dev/full."""


class Stream:
    """One output stream. It is opened when it is planned, and closed when it was written."""

    def __init__(self, descriptor: int, *, shared: bool) -> None:
        """With `shared` it is what Python prints to as well."""
        self.descriptor, self.shared = descriptor, shared

    def write(self, data: bytes) -> None:
        """Writes everything and closes. Raises OSError, as when the reader of a pipe has gone."""
        if self.shared:
            sys.stdout.flush()  # what was printed so far comes first
            sys.stderr.flush()
        with os.fdopen(self.descriptor, "wb") as out:
            out.write(data)


def is_stream(file: Path) -> bool:
    """Whether `file` names a stream."""
    if own_descriptor(file) is not None:
        return True
    try:
        found = file.stat()
    except (OSError, ValueError):
        return False
    if not stat.S_ISCHR(found.st_mode):
        return stat.S_ISFIFO(found.st_mode)
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return major in _TERMINALS or (major == _MEMORY and minor in (_NULL, _FULL))


def open_stream(file: Path) -> Stream:
    """Opens a stream for writing without waiting. Raises UserError for a pipe that nobody reads, and OSError.

    A pipe has to stay open until it is written: closing it would end its reader.
    """
    number = own_descriptor(file)
    if number is not None:
        return Stream(os.dup(number), shared=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise UserError(f"Nobody reads the pipe {file}; start its reader first, or name a file.") from error
        raise
    os.set_blocking(descriptor, True)
    return Stream(descriptor, shared=False)


def own_descriptor(file: Path) -> int | None:
    """The descriptor of this process that /dev/stdout, /dev/fd/3, /proc/self/fd/3 or a link to one of them means."""
    path = file.absolute()
    for _ in range(10):
        try:
            folder, name = path.parent.resolve(), path.name
            if re.fullmatch(rf"/proc/{os.getpid()}/(task/\d+/)?fd", str(folder)) and name.isascii() and name.isdigit():
                return int(name)
            path = folder / (folder / name).readlink()
        except (OSError, ValueError, RuntimeError):
            return None
    return None
