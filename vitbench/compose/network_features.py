"""What the views of features are drawn from, and as what."""

from dataclasses import dataclass, field
from typing import Any

from vitbench.compose.prepared import PreparedPicture
from vitbench.features.extraction import PatchFeatures
from vitbench.figures.sheet import Panel
from vitbench.models.network import Network


@dataclass
class NetworkFeatures:
    """One network with the pictures as it sees them and their features, in the order of the request."""

    named: str
    title: str
    network: Network
    pictures: list[PreparedPicture]
    features: list[PatchFeatures]
    facts: dict[str, Any] = field(default_factory=dict)
    words: str = ""

    @property
    def outliers(self) -> list[int]:
        """How many outlier tokens each picture has."""
        return [int(found.outliers.sum()) for found in self.features]


Rows = list[list[Panel]]
"""For each picture its panels."""
