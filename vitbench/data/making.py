"""Something large on disk that several processes may want at once: made by one of them, whole or not at all."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitbench.errors import UserError
from vitbench.progress import Progress
from vitbench.runs.files import sync_folder

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def made_once(folder: Path, make: Callable[[Path], None], *, what: str, progress: Progress) -> Path:
    """`folder`, filled by `make(temporary folder)` if it is not there yet.

    Other processes that want the same folder wait for the one that makes it. What a killed process left is thrown
    away and made anew. Raises UserError if the disk is full or may not be written; then nothing is left behind.
    """
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(folder.name + ".partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(folder.name + ".lock"), what, progress):
            if folder.is_dir():
                return folder
            try:
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                sync_folder(unfinished)
                unfinished.rename(folder)
                sync_folder(folder.parent)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(f"{folder.parent} has no room for {what}: free some, or choose another store.") from error
        raise UserError(f"Writing {what} in {folder.parent} failed: {error.strerror}.") from error
    return folder


@contextmanager
def _lock(file: Path, what: str, progress: Progress) -> Iterator[None]:
    """Holds the lock on a file, which the kernel frees when this process ends, however it ends."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress(0, 0, f"waiting for another process that makes {what}")
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
