"""Whether somebody holds a lock on a file."""

import fcntl
import os
from pathlib import Path


def is_locked(file: Path) -> bool | None:
    """Whether a process holds the lock on `file`, which is neither made nor written; None if it cannot be told."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False
