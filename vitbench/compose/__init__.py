"""The one maker of pictures: `compose(request, sources)` gives the Sheet that the screen shows and a figure is of."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.declarations import loaded
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.requests.base import Request
from vitbench.requests.kinds import FIGURE_KINDS

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources


def read_request(kind: str, values: dict[str, Any]) -> Request:
    """The request of a kind from plain values. Raises UserError for an unknown kind, and for what does not fit."""
    return FIGURE_KINDS.find(kind).request.read(values)


def sources_for(kind: str, folder: Path) -> "Sources | None":
    """Where figures of a kind find the networks of the store in `folder`; None for a kind that needs none.

    PyTorch is imported here, and not before. Raises UserError for an unknown kind.
    """
    if not FIGURE_KINDS.find(kind).networks:
        return None
    from vitbench.compose.sources import Sources

    return Sources(folder)


def compose(request: Request, sources: "Sources | None", progress: Progress = silent) -> Sheet:
    """The one maker of pictures: what `request` asks to see. Raises UserError where that cannot be shown."""
    made: Callable[[Request, Sources | None, Progress], Sheet] = loaded(FIGURE_KINDS.find(request.kind).compose)
    return made(request, sources, progress)
