"""What a disk refuses, whoever tells of it: the system, or a library that wrote to it."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.names import shown

_NUMBER = re.compile(r"\(os error (\d+)\)")
"""How libraries in Rust (safetensors, tokenizers) name an error of the system."""

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def disk_error(error: BaseException | None) -> OSError | None:
    """The error of the system behind what a library raised while it wrote; None if there is none.

    It is the error itself, one that its text names, or a full or broken disk on the way to it.
    """
    if isinstance(error, OSError):
        return error
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            return error
        if found := _NUMBER.search(str(error)):
            return OSError(int(found[1]), os.strerror(int(found[1])))
        error = error.__cause__ or error.__context__
    return None


def refused_by_disk(file: Path, error: Exception) -> UserError:
    """What a person is told when the system refuses to write `file`; a UserError stays as it is."""
    if isinstance(error, UserError):
        return error
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return UserError(f"{shown(file)} cannot be written: {reason}.")


@contextmanager
def told_of_disk(file: Path) -> Iterator[None]:
    """Around what writes `file` by libraries: raises UserError where the disk refuses, in whatever way it is told."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever class a library has for it
        if (refused := disk_error(error)) is None:
            raise
        raise refused_by_disk(file, refused) from error
