"""The table of named requests: which handlers there are, and what they keep between two questions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.compose.sources import Sources
from vitbench.inspector.attention_requests import AttentionRequests
from vitbench.inspector.borrowed_gpu import BorrowedGpu
from vitbench.inspector.caption_requests import CaptionRequests
from vitbench.inspector.run_requests import RunRequests
from vitbench.inspector.server import Handler, Reply
from vitbench.inspector.sheet_requests import SheetRequests
from vitbench.progress import Progress


class Workbench:
    """Everything that the inspector of one store answers."""

    def __init__(self, store: Path) -> None:
        gpu = BorrowedGpu(store)
        sources = Sources(store, gpu)
        networks = sources.networks
        self._rooms = (
            SheetRequests(sources),
            AttentionRequests(store),
            CaptionRequests(store),
            RunRequests(store, gpu, networks.leave_gpu),
        )
        self._networks = networks
        self.handlers: Mapping[str, Handler] = {
            name: handler for room in self._rooms for name, handler in room.handlers.items()
        } | {"leave_gpu": self.leave_gpu}

    def give_back(self) -> None:
        """Forgets networks, pictures and maps: nobody has asked for a while."""
        for room in self._rooms:
            room.give_back()

    def leave_gpu(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Our GPU is wanted by something that a person waits for; networks stay, in main memory."""
        self._networks.leave_gpu()
        return Reply()

    def between(self) -> None:
        """Between two questions: a run that waits for a GPU gets ours."""
        self._networks.yield_gpu()
