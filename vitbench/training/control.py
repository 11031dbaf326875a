"""What a person, or the machine, asks of a running worker."""

import signal
import time
from types import FrameType
from typing import Literal

from vitbench.runs.store import Run

Request = Literal["pause", "stop", "checkpoint"]


class Interrupted(Exception):
    """Asked to leave in the middle of something long."""

    def __init__(self, request: Literal["pause", "stop"]) -> None:
        super().__init__(request)
        self.request = request


class Control:
    """Requests from the run folder, read a few times a second, and signals, known at once.

    SIGTERM and SIGINT mean pause: save and leave. SIGHUP, a lost terminal, means nothing.
    """

    def __init__(self, run: Run, interval: float = 0.2) -> None:
        self.run = run
        self.interval = interval
        self._looked = 0.0
        self._signalled = False

    def listen(self) -> None:
        """Takes over the signals of this process."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signal)

    def _signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def asked(self) -> Request | None:
        """The most urgent request."""
        if self._signalled:
            return "pause"
        now = time.monotonic()
        if now - self._looked < self.interval:
            return None
        self._looked = now
        requests = self.run.requests()
        for request in ("stop", "pause", "checkpoint"):
            if request in requests:
                return request
        return None

    def raise_if_asked_to_leave(self) -> None:
        """Raises Interrupted after a pause or stop; a checkpoint can wait."""
        request = self.asked()
        if request == "pause" or request == "stop":
            raise Interrupted(request)
