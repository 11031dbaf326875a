"""What all screens that look inside ask: a sheet of any kind, and a figure of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.compose import compose, read_request
from vitbench.compose.sources import Sources
from vitbench.figures.save import ARRAYS, FORMATS, check_figure_ending, saved_bytes
from vitbench.figures.sheet import Sheet
from vitbench.files.outputs import Outputs
from vitbench.inspector.server import Handler, Reply
from vitbench.progress import Progress
from vitbench.requests.base import Request
from vitbench.requests.drawing import Drawing

_WITHOUT_LAYERS = ("positions", "curves", "confusion", "learning rate")
"""Kinds of sheets that read weights or numbers alone; positions with pictures look into layers, too."""


class SheetRequests:
    """The handlers about sheets."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.handlers: Mapping[str, Handler] = {
            "sheet": self.sheet,
            "save_sheet": self.save,
            "class_names": self.class_names,
        }

    def give_back(self) -> None:
        """Forgets networks and what was computed."""
        self.sources.forget()

    def sheet(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The sheet of the request of `kind`: its values, an array for each panel, and with `arrays` its numbers."""
        request = read_request(str(arguments["kind"]), dict(arguments["request"]))
        sheet = self._composed(request, progress)
        numbers = dict(sheet.arrays) if arguments.get("arrays") else {}
        bare = frozenset(f"panel {number}" for number, panel in enumerate(sheet.panels) if panel.scale is None)
        return Reply(sheet.values(), {**sheet.pixels(), **numbers}, bare)

    def save(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Saves the sheet into `file`, or under the next free name, put on paper as `drawing` says, or as .npz the
        numbers behind it; answers with the file."""
        request = read_request(str(arguments["kind"]), dict(arguments["request"]))
        drawing = Drawing.read(dict(arguments.get("drawing") or {}))
        file = Path(arguments["file"])
        check_figure_ending(file, (*FORMATS, ARRAYS))
        sheet = self._composed(request, progress)
        progress(0, 0, "drawing the figure")
        content = saved_bytes(sheet, file.suffix, drawing)
        return Reply({"file": str(Outputs(self.sources.folder).write_new(file, content))})

    def class_names(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The names of all classes of the `network`; their numbers where it has no names."""
        _, network = self.sources.network(str(arguments["network"]), progress)
        classes = 0 if network.no_classes else network.num_classes
        return Reply({"names": list(network.labels or map(str, range(classes)))})

    def _composed(self, request: Request, progress: Progress) -> Sheet:
        """The sheet; where it takes a look into networks, one at a time."""
        if request.kind in _WITHOUT_LAYERS and not getattr(request, "pictures", ()):
            return compose(request, self.sources, progress)
        with self.sources.turn:
            return compose(request, self.sources, progress)
