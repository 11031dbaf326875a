"""One worker a run: a lock on a file in its folder, which the kernel opens when the worker ends, however it ends."""

import fcntl
import os
from pathlib import Path


class RunLock:
    """Held by the worker for its whole life."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def acquire(self) -> bool:
        """Takes the lock; False if another process holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Gives the lock back."""
        os.close(self._descriptor)


def is_held(folder: Path) -> bool:
    """Whether a worker holds the lock of this run now."""
    lock = RunLock(folder)
    free = lock.acquire()
    lock.release()
    return not free
