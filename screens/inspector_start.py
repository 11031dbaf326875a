"""When the inspector comes and goes by itself: its libraries take seconds to load, and some hundred MB."""

import os
import time
from collections.abc import Callable, Mapping

from vitbench.inspector.client import Inspector

SETTING = "VITBENCH_INSPECTOR_MINUTES"
"""The environment variable with the idle minutes after which the inspector leaves; 0: it starts only when asked."""
DEFAULT_MINUTES = 10.0
QUIET_SECONDS = 2.0
LOOK_EVERY = 0.5


def idle_minutes(environment: Mapping[str, str] = os.environ) -> tuple[float, str]:
    """The setting, and a sentence about one that is not a number of minutes."""
    text = environment.get(SETTING, "").strip()
    if not text:
        return DEFAULT_MINUTES, ""
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < 1e6:
        return DEFAULT_MINUTES, f"{SETTING}={text[:20]} is not a number of minutes; {DEFAULT_MINUTES:g} are taken."
    return minutes, ""


class InspectorStart:
    """Starts the inspector when the person has been quiet for a while and memory is free; ends it when it is idle."""

    def __init__(
        self,
        inspector: Inspector,
        minutes: float,
        free_memory: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inspector = inspector
        self._minutes = minutes
        self._free_memory = free_memory
        self._clock = clock
        self._touched = clock()
        self._wanted = minutes > 0
        """Not again after it has left, until there is a person again."""

    def touched(self) -> None:
        """A key, or the mouse."""
        self._touched = self._clock()
        self._wanted = self._minutes > 0

    async def poll(self) -> None:
        """Called now and then; starts or ends the inspector if it is time."""
        if self._inspector.is_running:
            self._wanted = False
            if self._minutes > 0 and self._inspector.idle_seconds >= self._minutes * 60:
                await self._inspector.close()
        elif self._wanted and self._clock() - self._touched >= QUIET_SECONDS:
            self._wanted = False
            from vitbench.runs.host import INSPECTOR_ROOM, memory_room

            if (self._free_memory or (lambda: memory_room().free))() >= INSPECTOR_ROOM:
                await self._inspector.start_ahead()
