"""Large pictures are decoded one at a time: each takes several times 100 MB, and there is a thread for each core."""

import ctypes
import os
import threading
from contextlib import suppress

LARGE = 2**24
"""Pixels of a picture, or bytes of a file, from which on it counts as large."""


class OneAtATime:
    """A lock for the time from reading a large picture to having it as RGB. A thread may enter it again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # In a child that was forked while another thread had it, it would never be given back.
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        # Each thread's allocator would keep what the picture took, for the next one.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        self._lock.release()


ONE_LARGE_PICTURE = OneAtATime()
