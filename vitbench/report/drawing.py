"""Figures of a report: composed as everywhere, drawn once as PNG and once as PDF."""

from dataclasses import dataclass

from vitbench.compose import compose
from vitbench.compose.sources import Sources
from vitbench.figures.save import sheet_files
from vitbench.figures.sheet import Sheet
from vitbench.progress import Progress, silent
from vitbench.report.document import FigureBlock
from vitbench.requests.base import Request


@dataclass
class Drawer:
    """Composes requests and draws sheets; `progress` is told of each, and may end the work."""

    sources: Sources
    progress: Progress = silent

    def compose(self, request: Request) -> Sheet:
        """The sheet of a request."""
        return compose(request, self.sources, self.progress)

    def figure(self, name: str, sheet: Sheet, caption: str = "") -> FigureBlock:
        """The sheet drawn. Without `caption` the sheet's own first line is taken."""
        self.progress(0, 0, f"drawing {name}")
        png, pdf = sheet_files(sheet, (".png", ".pdf"))
        return FigureBlock(name, caption or sheet.caption.splitlines()[0], png, pdf)

    def draw(self, name: str, request: Request, caption: str = "") -> FigureBlock:
        """Both at once."""
        return self.figure(name, self.compose(request), caption)
