"""What all screens ask that show figures: a sheet of any kind, a figure of it, and a saved figure made again.

PyTorch is imported where the first sheet is asked for that takes networks: a chart is drawn without it.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.compose import compose, read_request
from vitbench.compose.again import compose_again
from vitbench.figures.provenance import read_provenance
from vitbench.figures.save import check_figure_ending, saved_bytes
from vitbench.figures.sheet import Sheet
from vitbench.files.outputs import Outputs
from vitbench.inspector.handlers import Handler, Reply
from vitbench.progress import Progress
from vitbench.requests.base import Request
from vitbench.requests.drawing import ARRAYS_ENDING, FIGURE_ENDINGS, Drawing
from vitbench.requests.kinds import FIGURE_KINDS

if TYPE_CHECKING:
    from vitbench.compose.sources import Sources


class SheetRequests:
    """The handlers about sheets."""

    def __init__(self, store: Path, sources: "Callable[[Progress], Sources]") -> None:
        """`sources` gives those of the `store`, once they are loaded."""
        self.store = store
        self.sources = sources
        self.handlers: Mapping[str, Handler] = {
            "sheet": self.sheet,
            "save_sheet": self.save,
            "figure_again": self.again,
        }

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
        check_figure_ending(file, (*FIGURE_ENDINGS, ARRAYS_ENDING))
        sheet = self._composed(request, progress)
        progress(0, 0, "drawing the figure")
        content = saved_bytes(sheet, file.suffix, drawing)
        return Reply({"file": str(Outputs(self.store).write_new(file, content))})

    def again(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The saved figure `file` made again, under the next free name beside it."""
        file = Path(str(arguments["file"]))
        recorded = read_provenance(file)
        remedy = f"`vitbench figure again {file.name} --anyway` makes it all the same"

        def composed(request: Request) -> Sheet:
            return self._composed(request, progress)

        again = compose_again(file, recorded, file.suffix, composed, remedy=remedy)
        target = file.with_name(f"{file.stem} again{file.suffix}")
        return Reply({"file": str(Outputs(self.store).write_new(target, again.content))})

    def _composed(self, request: Request, progress: Progress) -> Sheet:
        """The sheet; where it takes a look into the layers of networks, one at a time, aside as a long one."""
        if not FIGURE_KINDS.find(request.kind).networks:
            return compose(request, None, progress)
        sources = self.sources(progress)
        if request.kind == "positions" and not getattr(request, "pictures", ()):
            return compose(request, sources, progress)  # weights alone are read
        with sources.turn.hold(long=threading.current_thread() is not threading.main_thread()):
            return compose(request, sources, progress)
