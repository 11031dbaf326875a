"""The table of named requests: which handlers there are, and what they keep between two questions."""

from collections.abc import Mapping
from pathlib import Path

from vitbench.compose.sources import Sources
from vitbench.inspector.attention_requests import AttentionRequests
from vitbench.inspector.borrowed_gpu import BorrowedGpu
from vitbench.inspector.caption_requests import CaptionRequests
from vitbench.inspector.leaving_requests import LeavingRequests
from vitbench.inspector.run_requests import RunRequests
from vitbench.inspector.server import Handler
from vitbench.inspector.sheet_requests import SheetRequests


class InspectorHandlers:
    """Everything that the inspector of one store answers."""

    def __init__(self, store: Path) -> None:
        gpu = BorrowedGpu(store)
        sources = Sources(store, gpu)
        self._sources = sources
        self._rooms = (
            SheetRequests(sources),
            AttentionRequests(store),
            CaptionRequests(store),
            RunRequests(store, gpu, self._leave_gpu),
            LeavingRequests(sources),
        )
        self.handlers: Mapping[str, Handler] = {
            name: handler for room in self._rooms for name, handler in room.handlers.items()
        }

    def give_back(self) -> None:
        """Forgets networks, pictures and maps: nobody has asked for a while."""
        for room in self._rooms:
            room.give_back()

    def _leave_gpu(self) -> None:
        """What computes next wants the GPU for itself; networks stay, in main memory."""
        with self._sources.turn:
            self._sources.leave_gpu()

    def between(self) -> None:
        """Between two questions: a run that waits for a GPU gets ours."""
        if self._sources.turn.acquire(blocking=False):  # else somebody computes, and asks again afterwards
            try:
                self._sources.yield_gpu()
            finally:
                self._sources.turn.release()
