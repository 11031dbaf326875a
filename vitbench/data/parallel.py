"""The same work on many things, in threads, in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def usable_cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def in_parallel(work: Callable[[Given], Made], items: Iterable[Given], threads: int | None = None) -> Iterator[Made]:
    """What `work` makes of each item, in their order; only a few are made ahead of the reader.

    Threads suffice for pictures: Pillow lets other threads run while it decodes and resizes. When the reader
    leaves, by an exception or otherwise, what has not begun is never done.
    """
    count = threads or usable_cores()
    with ThreadPoolExecutor(count, thread_name_prefix="pictures") as pool:
        ahead: deque[Future[Made]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > 4 * count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
