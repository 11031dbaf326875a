"""Locks on files, which the kernel opens when their holder ends, however it ends.

`run.lock` is held by a run's worker for its whole life; `state.lock` only while its state is changed.
"""

import errno
import fcntl
import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from vitbench.errors import UserError
from vitbench.files.locks import is_locked
from vitbench.files.writing import temporary_name

INHERITED = "VITBENCH_RUN_LOCK"
"""The environment variable in which a launcher tells its worker the descriptor that holds the lock already."""


class OddLock(UserError, OSError):
    """What has the name of a lock is not a regular file."""


class FileLock:
    """A lock on a file that is made when it is missing; open, but not yet taken."""

    def __init__(self, file: Path) -> None:
        """Raises OSError, of which FileNotFoundError means that the folder is gone."""
        self.file = file
        self.descriptor = _open(file)

    def acquire(self, patience: float = 0.5) -> bool:
        """Takes the lock, which may be ours already; False if another process holds it for `patience` seconds.

        Whoever asks `is_locked` holds it for an instant too, which must not turn anyone away. A lock whose file was
        deleted or replaced meanwhile is no lock: it is taken again on the file that is there now.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.01)
                continue
            if self.is_current():
                return True
            os.close(self.descriptor)
            self.descriptor = -1
            self.descriptor = _open(self.file)

    def is_current(self) -> bool:
        """Whether the file that we hold open is still the one that bears its name."""
        try:
            return os.path.samestat(os.fstat(self.descriptor), self.file.stat(follow_symlinks=False))
        except OSError:
            return False

    def is_shared(self) -> bool:
        """Whether the file has another name too: a hard link, as some backups make, is one lock for two folders."""
        return os.fstat(self.descriptor).st_nlink > 1

    def make_own(self) -> None:
        """Puts a lock of our own in the place of one that is shared, and takes it; `self` is held.

        Where that is not possible (rights, a full disk) the lock stays shared.
        """
        with suppress(OSError):
            temporary = temporary_name(self.file)
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                temporary.replace(self.file)
            except BaseException:
                os.close(descriptor)
                temporary.unlink(missing_ok=True)
                raise
            os.close(self.descriptor)
            self.descriptor = descriptor

    def release(self) -> None:
        """Closes our descriptor; the lock is free unless another process inherited it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class RunLock(FileLock):
    """Taken by the launcher, and held by the worker, who inherits it, for its whole life."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "run.lock")
        self.is_handed_over = False
        self._folder = -1
        self._healing = threading.Lock()

    def acquire(self, patience: float = 0.5) -> bool:
        """As `FileLock.acquire`; a copy of the folder by hard links has a lock of its own from then on."""
        taken = super().acquire(patience)
        if taken and self.is_shared():
            self.make_own()
        return taken

    @classmethod
    def of_worker(cls, folder: Path) -> Self:
        """The lock that the launcher handed over, or else a new one, which `acquire` still has to take."""
        lock = cls(folder)
        handed = os.environ.pop(INHERITED, "")
        lock._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if handed and os.path.samestat(os.fstat(int(handed)), os.fstat(lock.descriptor)):
                os.close(lock.descriptor)
                lock.descriptor = int(handed)
                os.set_inheritable(lock.descriptor, False)
                lock.is_handed_over = True
        except (OSError, ValueError):
            return lock  # a variable left over from another process: that descriptor is not open here
        return lock

    def keep(self) -> bool:
        """Whether the run's folder is still where it was, and ours; for the worker, which asks again and again.

        If only the lock file was deleted, it is made anew and taken, unless another worker was quicker. If the folder
        was copied by hard links, the copy keeps the old lock.
        """
        with self._healing:
            if self.is_current():
                if self.is_shared():
                    self.make_own()
                return True
            try:
                if not os.path.samestat(os.fstat(self._folder), self.file.parent.stat()):
                    return False
                new = FileLock(self.file)
            except OSError:
                return False
            if not new.acquire(patience=0.1):
                new.release()
                return False
            os.close(self.descriptor)
            self.descriptor = new.descriptor
            return True

    def folder_now(self) -> Path | None:
        """Where the worker's folder has been moved to; None if it was deleted."""
        try:
            path = Path(f"/proc/self/fd/{self._folder}").readlink()
            return path if os.path.samestat(os.fstat(self._folder), path.stat()) else None
        except OSError:
            return None


def is_shared(file: Path) -> bool:
    """Whether a lock file has another name too, so that its holder may work in another folder."""
    try:
        return file.stat(follow_symlinks=False).st_nlink > 1
    except OSError:
        return False


def is_held(folder: Path) -> bool:
    """Whether a worker, or whoever starts one, holds the lock of this run now."""
    return is_locked(folder / "run.lock") is True


def _open(file: Path) -> int:
    """Opens a lock file as the umask allows, or for reading where another user of the group may only lock it."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    odd = OddLock(f"{file} is not a regular file, so it cannot be a lock; delete it.")
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError as refused:
        try:
            descriptor = os.open(file, os.O_RDONLY | flags)
        except FileNotFoundError:
            raise refused from None  # the folder is there, and no file may be made in it
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise odd from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise odd
    return descriptor
