"""Several pictures side by side, each under its title: titles are text of the terminal, which stays readable where a
picture has few cells."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from screens import wording
from screens.colours import depth_of
from screens.widgets.dithering import Pixels
from screens.widgets.painting import painted
from screens.widgets.picture import fitted_size
from vitbench.text import clean

GAP = 1
"""Cells between two columns."""


def arranged(count: int, shape: tuple[int, int], columns: int, rows: int) -> tuple[int, int, int]:
    """How `count` pictures of `shape` (height, width) lie in columns x rows cells so that each is as large as can be:
    pictures in a row, and the cells of one, (wide, high), its title left out."""
    best = (1, 1, 1)
    largest = -1.0
    for across in range(1, count + 1):
        down = -(-count // across)
        wide, high = (columns - (across - 1) * GAP) // across, rows // down - 1
        if wide < 1 or high < 1:
            continue
        scale = min(wide / shape[1], 2 * high / shape[0])
        if scale > largest:
            best, largest = (across, wide, high), scale
    return best


class PictureSheet(Widget):
    """Pictures of one shape with titles, as large as their place allows."""

    DEFAULT_CSS = "PictureSheet { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._panels: tuple[tuple[str, Pixels], ...] = ()
        self._marked: int | None = None
        self._painted: list[Strip] | None = None
        self._painted_for: tuple[object, ...] = ()

    @property
    def panels(self) -> tuple[tuple[str, Pixels], ...]:
        """What is shown, unscaled."""
        return self._panels

    def show(self, panels: Sequence[tuple[str, Pixels]], marked: int | None = None) -> None:
        """Replaces titles and pictures, uint8 [height, width, 3]; the title of number `marked`, from 0, is lit."""
        new = tuple(panels)
        same = len(new) == len(self._panels) and all(
            mine[0] == theirs[0] and mine[1] is theirs[1] for mine, theirs in zip(new, self._panels, strict=True)
        )
        if not same or marked != self._marked:
            self._panels, self._marked, self._painted = new, marked, None
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        size = (self.size.width, self.size.height)
        wanted = (size, depth_of(self.app), self.app.theme)
        if self._painted is None or self._painted_for != wanted:
            self._painted, self._painted_for = self._paint(*size), wanted
        if y >= len(self._painted):
            return Strip.blank(size[0], self.rich_style)
        return self._painted[y].apply_style(self.rich_style)

    def _paint(self, columns: int, rows: int) -> list[Strip]:
        if not self._panels or columns < 1 or rows < 2:
            return []
        shape = self._panels[0][1].shape
        across, wide, high = arranged(len(self._panels), (shape[0], shape[1]), columns, rows)
        strips: list[Strip] = []
        for start in range(0, len(self._panels), across):
            row = self._panels[start : start + across]
            painted = [self._one(*panel, wide, high, start + n == self._marked) for n, panel in enumerate(row)]
            height = max(map(len, painted))
            for y in range(height):
                cells: list[Segment] = []
                for number, panel in enumerate(painted):
                    cells += [Segment(" " * GAP)] if number else []
                    cells += panel[y] if y < len(panel) else [Segment(" " * wide)]
                strips.append(Strip(cells).adjust_cell_length(columns))
        return [Strip.blank(columns) for _ in range((rows - len(strips)) // 2)] + strips

    def _one(self, title: str, pixels: Pixels, wide: int, high: int, marked: bool) -> list[Strip]:
        """A title and its picture, `wide` cells each row."""
        size = fitted_size(pixels.shape[1], pixels.shape[0], wide, high)
        scaled = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
        rows = painted(scaled, self)
        left = " " * ((wide - size[0]) // 2)
        colours = self.app.theme_variables
        lit = Style(color=colours["block-cursor-foreground"], bgcolor=colours["block-cursor-background"], bold=True)
        if not marked and cell_len(clean(title)) <= size[0]:
            title = left + title  # above its picture, which is narrower than its place
        head = Strip([Segment(wording.fit(title, wide), lit if marked else None)])
        return [head, *(Strip([Segment(left), *row]).adjust_cell_length(wide) for row in rows)]
