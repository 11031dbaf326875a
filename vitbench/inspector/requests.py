"""The table of named requests: which handlers there are, and what they keep between two questions."""

from collections.abc import Mapping
from pathlib import Path

from vitbench.inspector.attention_requests import AttentionRequests
from vitbench.inspector.borrowed_gpu import BorrowedGpu
from vitbench.inspector.caption_requests import CaptionRequests
from vitbench.inspector.kept_networks import KeptNetworks
from vitbench.inspector.position_requests import PositionRequests
from vitbench.inspector.run_requests import RunRequests
from vitbench.inspector.server import Handler


class Workbench:
    """Everything that the inspector of one store answers."""

    def __init__(self, store: Path) -> None:
        networks = KeptNetworks(store, gpu=BorrowedGpu(store))
        self._rooms = (
            AttentionRequests(store, networks),
            PositionRequests(store, networks),
            CaptionRequests(store),
            RunRequests(store),
        )
        self._networks = networks
        self.handlers: Mapping[str, Handler] = {
            name: handler for room in self._rooms for name, handler in room.handlers.items()
        }

    def give_back(self) -> None:
        """Forgets networks, pictures and maps: nobody has asked for a while."""
        self._networks.give_back()
        for room in self._rooms:
            room.give_back()

    def between(self) -> None:
        """Between two questions: a run that waits for a GPU gets ours."""
        self._networks.yield_gpu()
