"""What a person, or the machine, asks of a running worker."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from vitbench.ranks import Ranks
from vitbench.runs.lock import RunLock
from vitbench.runs.store import Run
from vitbench.training.outcome import FolderGone, Interrupted

Request = Literal["pause", "stop", "checkpoint"]
_BY_URGENCY: tuple[Request | None, ...] = (None, "checkpoint", "pause", "stop")


def agreed(request: Request | None, ranks: Ranks) -> Request | None:
    """The most urgent request that any process of the run has: one that left alone would leave the others waiting."""
    return _BY_URGENCY[ranks.agree(_BY_URGENCY.index(request))]


class Control:
    """Requests from the run folder, read a few times a second, and signals, known at once.

    SIGTERM and SIGINT mean pause: save and leave. SIGHUP, a lost terminal, means nothing. With the run's `lock` it also
    notices when the folder is deleted or moved.
    """

    def __init__(self, run: Run, interval: float = 0.2, lock: RunLock | None = None) -> None:
        self.run = run
        self.interval = interval
        self.lock = lock
        self._polled = 0.0
        self.is_signalled = False
        self.when_signalled: Callable[[], object] = lambda: None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes over the signals of this process, and gives them back: a process forked later would inherit them."""
        before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self.is_signalled = True
        self.when_signalled()

    def asked(self) -> Request | None:
        """The most urgent request. Raises FolderGone."""
        now = time.monotonic()
        due = now - self._polled >= self.interval
        if due:
            self._polled = now
            if self.lock is not None and not self.lock.keep():
                raise FolderGone(f"The folder {self.run.folder} is gone.")
        if self.is_signalled:
            return "pause"
        if not due:
            return None
        requests = self.run.requests()
        for request in ("stop", "pause", "checkpoint"):
            if request in requests:
                return request
        return None

    def raise_if_asked_to_leave(self) -> None:
        """Raises Interrupted after a pause or stop; a checkpoint can wait. Raises FolderGone."""
        request = self.asked()
        if request == "pause" or request == "stop":
            raise Interrupted(request)
