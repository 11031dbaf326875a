"""What the positions screen asks: similarities and scorecard of one or two networks, and their export."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vitbench.explain.before import network_before
from vitbench.explain.position_figure import PositionRequest, position_figure, similarity_picture
from vitbench.explain.positions import positions
from vitbench.figures.raster import Picture
from vitbench.figures.save import figure_bytes
from vitbench.files.outputs import Outputs
from vitbench.inspector.kept_networks import Kept, KeptNetworks
from vitbench.inspector.server import Handler, Reply
from vitbench.models.network import Network
from vitbench.progress import Progress
from vitbench.runs.store import Store

PREVIEW = 420
"""The side in pixels of the grid of tiles that the screen is sent."""
BEFORE = "before"


class PositionRequests:
    """The handlers about positions, and what they keep."""

    def __init__(self, store: Path, networks: KeptNetworks) -> None:
        self.store = store
        self.networks = networks
        self._replies = Kept(8)
        self.handlers: Mapping[str, Handler] = {"positions": self.positions, "positions_export": self.export}

    def give_back(self) -> None:
        """Forgets what was computed."""
        self._replies.clear()

    def positions(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Positions of `network`, or with `which = "before"` of what its run started from; `kind` counts the kinds.

        Arrays: `picture` uint8, all tiles on one scale; `similarity` float32 [T, T] in reading order.
        """
        reference, which = str(arguments["network"]), str(arguments.get("which", ""))
        named, network = self._network(reference, which, progress)
        number = int(arguments.get("kind", 0))

        def reply() -> Reply:
            progress(0, 0, "shuffling patches for the p-values")
            found = positions(network)
            place = found[number % len(found)]
            scores = [_plain(asdict(score)) for score in place.scorecard()]
            picture: Picture = similarity_picture(place, side=PREVIEW)
            return Reply(
                {
                    "network": named,
                    "name": network.name,
                    "tag": network.tag,
                    "source": network.source,
                    "kind": place.kind,
                    "kinds": len(found),
                    "sentence": place.sentence,
                    "grid": list(place.grid),
                    "scores": scores,
                },
                {"picture": picture, "similarity": place.similarity.astype(np.float32)},
            )

        return self._replies.get((named, which, number), reply)

    def export(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Saves the figure into `folder` under a free name: the grid, or the tile of `patch`; with `before` both."""
        reference, before = str(arguments["network"]), bool(arguments.get("before"))
        patch = arguments.get("patch")
        _, network = self._network(reference, "", progress)
        earlier = self._network(reference, BEFORE, progress)[1] if before else None
        request = PositionRequest(
            network=reference,
            view="tile" if patch else "grid",
            patch=tuple(patch) if patch else None,
            before=before,
        )
        drawn = position_figure(request, network, earlier)
        name = f"positions-tile-{patch[0] + 1}-{patch[1] + 1}.png" if patch else "positions.png"
        content = figure_bytes(drawn.figure, ".png", drawn.facts)
        return Reply({"file": str(Outputs(self.store).write_new(Path(arguments["folder"]) / name, content))})

    def _network(self, reference: str, which: str, progress: Progress) -> tuple[str, Network]:
        if which != BEFORE:
            return self.networks.open(reference, progress)
        return f"{reference} before", network_before(reference, Store(self.store), progress)


def _plain(score: dict[str, Any]) -> dict[str, Any]:
    """NaN as None: JSON has no NaN."""
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in score.items()}
