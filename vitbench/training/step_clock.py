"""Where the time of a step goes: waiting for data, forward, backward, update. The device is never waited for.

On a GPU the marks are CUDA events, which are read once they have happened: the time between two of them is that of the
device, its idling included. On the CPU they are readings of the clock.
"""

import time
from collections import deque
from typing import Any

import torch

PARTS = ("data", "forward", "backward", "update")
_MOST_PENDING = 4096
"""Marks that may wait to be read; with more the oldest are dropped."""


class StepClock:
    """`mark` says that a part has just ended; what lies between two marks belongs to the second one's part."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._device = device
        self._marks: deque[tuple[str, Any]] = deque()
        self._seconds = dict.fromkeys(PARTS, 0.0)

    def start(self) -> None:
        """What came since the last mark (an evaluation, a checkpoint) belongs to no part."""
        self.mark("")

    def mark(self, part: str) -> None:
        """Ends a part; at the end of a micro-step's forward, say."""
        if self._on_gpu:
            event: Any = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self._device))
            self._marks.append((part, event))
        else:
            self._marks.append((part, time.perf_counter()))
        if len(self._marks) > _MOST_PENDING:
            self._marks.popleft()

    def read(self) -> dict[str, float]:
        """Seconds of each part since the last read, as far as the device has come."""
        while len(self._marks) > 1:
            (_, before), (part, after) = self._marks[0], self._marks[1]
            if self._on_gpu and not after.query():
                break
            if part:
                self._seconds[part] += before.elapsed_time(after) / 1000 if self._on_gpu else after - before
            self._marks.popleft()
        found, self._seconds = self._seconds, dict.fromkeys(PARTS, 0.0)
        return found
