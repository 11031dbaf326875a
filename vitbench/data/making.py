"""Something large on disk that several processes may want at once: made by one of them, whole or not at all."""

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.writing import clear_litter, sync_folder, temporary_folder
from vitbench.progress import Progress
from vitbench.runs.lock import FileLock, OddLock

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def made_once(folder: Path, make: Callable[[Path], None], *, what: str, progress: Progress) -> Path:
    """`folder`, filled by `make(temporary folder)` if it is not there yet.

    Other processes that want the same folder wait for the one that makes it. What a killed process left is thrown
    away and made anew. Raises UserError if the disk is full or may not be written; then nothing is left behind.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f".{folder.name}.lock"), what, progress):
            clear_litter(folder)
            if folder.is_dir():
                return folder
            with temporary_folder(folder) as unfinished:
                make(unfinished)
                sync_folder(unfinished)
                unfinished.rename(folder)
            sync_folder(folder.parent)
    except OddLock:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise UserError(f"{folder.parent} has no room for {what}: free some, or choose another store.") from error
        raise UserError(f"Writing {what} in {folder.parent} failed: {error.strerror}.") from error
    return folder


@contextmanager
def _alone(file: Path, what: str, progress: Progress) -> Iterator[None]:
    """Holds a lock, which the kernel frees when this process ends, however it ends; the file goes with it."""
    lock = FileLock(file)
    try:
        while not lock.acquire(patience=0.0):
            progress(0, 0, f"waiting for another process that makes {what}")
            time.sleep(0.2)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)  # held until then: who waits for it sees that it is gone, and makes another
    finally:
        lock.release()
