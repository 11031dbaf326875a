"""The table of named requests: which handlers there are, and what they keep between two questions."""

from collections.abc import Mapping
from pathlib import Path

from vitbench.compose.sources import Sources
from vitbench.inspector.attention_requests import AttentionRequests
from vitbench.inspector.borrowed_gpu import BorrowedGpu
from vitbench.inspector.caption_requests import CaptionRequests
from vitbench.inspector.handlers import Handler
from vitbench.inspector.leaving_requests import LeavingRequests
from vitbench.inspector.run_requests import RunRequests
from vitbench.inspector.sheet_requests import SheetRequests


class InspectorHandlers:
    """Everything that the inspector of one store answers."""

    def __init__(self, store: Path) -> None:
        gpu = BorrowedGpu(store)
        self.sources = sources = Sources(store, gpu)
        asked = (
            SheetRequests(store, lambda progress: sources),
            AttentionRequests(sources),
            CaptionRequests(sources),
            RunRequests(store, gpu, self._leave_gpu),
            LeavingRequests(sources),
        )
        self.handlers: Mapping[str, Handler] = {
            name: handler for requests in asked for name, handler in requests.handlers.items()
        }

    def give_back(self) -> None:
        """Forgets networks, pictures and maps: nobody has asked for a while."""
        self.sources.forget()

    def _leave_gpu(self) -> None:
        """What computes next wants the GPU for itself; networks stay, in main memory."""
        with self.sources.turn.alone():
            self.sources.leave_gpu()

    def between(self) -> None:
        """Between two questions: a run that waits for a GPU gets ours."""
        with self.sources.turn.alone(wait=False) as free:  # else somebody computes, and asks again afterwards
            if free:
                self.sources.yield_gpu()
