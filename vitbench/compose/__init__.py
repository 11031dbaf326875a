"""The one maker of pictures: `compose(request, sources)` gives the Sheet that the screen shows and a figure is of."""

from collections.abc import Callable
from typing import Any

from vitbench.compose.sources import Sources
from vitbench.declarations import loaded
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.base import Request
from vitbench.requests.kinds import KINDS


def read_request(kind: str, values: dict[str, Any]) -> Request:
    """The request of a kind from plain values. Raises UserError for an unknown kind, and for what does not fit."""
    return KINDS.find(kind).request.read(values)


def compose(request: Request, sources: Sources, progress: Progress = silent) -> Sheet:
    """The one maker of pictures: what `request` asks to see. Raises UserError where that cannot be shown."""
    made: Callable[[Request, Sources, Progress], Sheet] = loaded(KINDS.find(request.kind).compose)
    return made(request, sources, progress)
