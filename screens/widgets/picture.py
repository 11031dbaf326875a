"""A picture in the terminal: half blocks, two pixels a cell, exact in true colour and dithered in fewer colours. Scaled
once for a size and painted once.

`VITBENCH_GRAPHICS=kitty|sixel` uses textual-image instead (the extra `graphics`); nothing is ever probed, because a
terminal that answers late answers as key presses.
"""

import os

import numpy as np
from PIL import Image
from rich.segment import Segment
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from screens.colours import depth_of
from screens.widgets.dithering import Pixels
from screens.widgets.painting import half_blocks, painted, shades

GRAPHICS = ("half", "kitty", "sixel", "off")

__all__ = ["GRAPHICS", "Picture", "Pixels", "chosen_graphics", "fitted_size", "half_blocks", "shades"]


def chosen_graphics() -> str:
    """What `VITBENCH_GRAPHICS` says; half blocks when it says nothing or nonsense."""
    chosen = os.environ.get("VITBENCH_GRAPHICS", "half")
    return chosen if chosen in GRAPHICS else "half"


def fitted_size(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """The largest size in pixels (two a cell, one above the other) that keeps the shape and fits into the cells."""
    scale = min(columns / width, 2 * rows / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


class Picture(Widget):
    """Shows one picture, as large as its place allows, in its own shape."""

    DEFAULT_CSS = "Picture { width: 1fr; height: 1fr; }"

    def __init__(self, pixels: Pixels | None = None, *, id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self._pixels = pixels
        self._painted: list[Strip] | None = None
        self._painted_for: tuple[object, ...] = ()
        self.graphics = chosen_graphics()

    def compose(self) -> ComposeResult:
        """Half blocks are drawn by this widget itself; Kitty and sixel by a child from textual-image."""
        if self._pixels is not None and self.graphics in ("kitty", "sixel") and (widget := _foreign_widget(self)):
            yield widget

    def show(self, pixels: Pixels | None) -> None:
        """Replaces the picture: uint8 [height, width, 3], or None for nothing."""
        if pixels is self._pixels:
            return
        self._pixels, self._painted = pixels, None
        if self.graphics in ("kitty", "sixel"):
            self.refresh(recompose=True)
        else:
            self.refresh()

    @property
    def pixels(self) -> Pixels | None:
        """What is shown, unscaled."""
        return self._pixels

    def render_line(self, y: int) -> Strip:
        """One row of the picture, centred in its place."""
        if self.graphics not in ("half",) or self._pixels is None:
            return Strip.blank(self.size.width, self.rich_style)
        wanted = (self.size, depth_of(self.app), self.app.current_theme.dark)
        if self._painted is None or self._painted_for != wanted:
            self._painted_for = wanted
            self._painted = self._paint(self.size.width, self.size.height)
        if y >= len(self._painted):
            return Strip.blank(self.size.width, self.rich_style)
        return self._painted[y].apply_style(self.rich_style)

    def _paint(self, columns: int, rows: int) -> list[Strip]:
        assert self._pixels is not None
        if columns < 1 or rows < 1:
            return []
        size = fitted_size(self._pixels.shape[1], self._pixels.shape[0], columns, rows)
        scaled = np.asarray(Image.fromarray(self._pixels).resize(size, Image.Resampling.BICUBIC))
        strips = painted(scaled, self)
        left, above = (columns - size[0]) // 2, (rows - len(strips)) // 2
        margin = [Segment(" " * left)] if left else []
        blank = [Strip.blank(columns) for _ in range(above)]
        return blank + [Strip([*margin, *strip]).adjust_cell_length(columns) for strip in strips]


def _foreign_widget(picture: Picture) -> Widget | None:
    """textual-image's widget for the protocol that was set by hand; None (and half blocks) where it is missing."""
    try:
        if picture.graphics == "kitty":
            from textual_image.widget import TGPImage as Foreign
        else:
            from textual_image.widget import SixelImage as Foreign
    except ImportError:
        picture.graphics = "half"
        return None
    assert picture.pixels is not None
    widget: Widget = Foreign(Image.fromarray(picture.pixels))
    return widget
