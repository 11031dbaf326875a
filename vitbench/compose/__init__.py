"""The one maker of pictures: `compose(request, sources)` gives the Sheet that the screen shows and a figure is of."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.base import Request


@dataclass(frozen=True)
class Kind:
    """A kind of sheet: the request that asks for it, and the function that makes it, each as `module:name`."""

    request: str
    compose: str


KINDS: dict[str, Kind] = {
    "attention": Kind("vitbench.requests.attention:AttentionRequest", "vitbench.compose.attention:compose_attention"),
    "positions": Kind("vitbench.requests.positions:PositionRequest", "vitbench.compose.positions:compose_positions"),
    "features": Kind("vitbench.requests.features:FeaturesRequest", "vitbench.compose.features:compose_features"),
    "caption": Kind("vitbench.requests.captions:CaptionRequest", "vitbench.compose.captions:compose_caption"),
    "curves": Kind("vitbench.requests.plots:CurvesRequest", "vitbench.figures.curves:compose_curves"),
    "confusion": Kind("vitbench.requests.plots:ConfusionRequest", "vitbench.figures.confusion:compose_confusion"),
    "learning rate": Kind(
        "vitbench.requests.plots:LearningRateRequest", "vitbench.figures.learning_rate:compose_learning_rate"
    ),
    "faithfulness": Kind(
        "vitbench.requests.studies:FaithfulnessRequest", "vitbench.compose.faithfulness:compose_faithfulness"
    ),
    "grounding": Kind(
        "vitbench.requests.studies:GroundingRequest", "vitbench.captions.grounding_report:compose_grounding"
    ),
    "contact sheet": Kind(
        "vitbench.requests.studies:ContactSheetRequest", "vitbench.data.preview:compose_contact_sheet"
    ),
}
"""What can be composed, by the name that a saved figure records."""


def read_request(kind: str, values: dict[str, Any]) -> Request:
    """The request of a kind from plain values. Raises UserError for an unknown kind, and for what does not fit."""
    if kind not in KINDS:
        raise UserError(f"There is no figure of kind {kind!r}; there are {', '.join(KINDS)}.")
    request: Request = _loaded(KINDS[kind].request).read(values)
    return request


def compose(request: Request, sources: Sources, progress: Progress = silent) -> Sheet:
    """The one maker of pictures: what `request` asks to see. Raises UserError where that cannot be shown."""
    made: Callable[[Request, Sources, Progress], Sheet] = _loaded(KINDS[request.kind].compose)
    return made(request, sources, progress)


def _loaded(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
