"""One worker a run: a lock on a file in its folder, which the kernel opens when the worker ends, however it ends."""

import fcntl
import os
import time
from pathlib import Path


class RunLock:
    """Held by the worker for its whole life."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def acquire(self, patience: float = 0.5) -> bool:
        """Takes the lock; False if another process holds it for `patience` seconds.

        Whoever asks `is_held` holds it for an instant too, which must not turn a worker away.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
            else:
                return True

    def release(self) -> None:
        """Gives the lock back."""
        os.close(self._descriptor)


def is_held(folder: Path) -> bool:
    """Whether a worker holds the lock of this run now."""
    lock = RunLock(folder)
    free = lock.acquire(patience=0.0)
    lock.release()
    return not free
