"""One worker a run: a lock on a file in its folder, which the kernel opens when the worker ends, however it ends."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

INHERITED = "VITBENCH_RUN_LOCK"
"""The environment variable in which a launcher tells its worker the descriptor that holds the lock already."""


class RunLock:
    """Taken by the launcher, and held by the worker, who inherits it, for its whole life."""

    def __init__(self, folder: Path) -> None:
        self.descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    @classmethod
    def of_worker(cls, folder: Path) -> Self:
        """The lock that the launcher handed over, or else a new one, which `acquire` still has to take."""
        lock = cls(folder)
        handed = os.environ.pop(INHERITED, "")
        try:
            if handed and os.path.samestat(os.fstat(int(handed)), os.fstat(lock.descriptor)):
                os.close(lock.descriptor)
                lock.descriptor = int(handed)
                os.set_inheritable(lock.descriptor, False)
        except OSError:
            return lock  # a variable left over from another process: that descriptor is not open here
        return lock

    def acquire(self, patience: float = 0.5) -> bool:
        """Takes the lock, which may be ours already; False if another process holds it for `patience` seconds.

        Whoever asks `is_held` holds it for an instant too, which must not turn a worker away.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
            else:
                return True

    def release(self) -> None:
        """Closes our descriptor; the lock is free unless a worker inherited it."""
        os.close(self.descriptor)


def is_held(folder: Path) -> bool:
    """Whether a worker holds the lock of this run now."""
    lock = RunLock(folder)
    free = lock.acquire(patience=0.0)
    lock.release()
    return not free
