"""A picture in the terminal: half blocks, two pixels a cell, exact. Scaled once for a size and painted once.

`VITBENCH_GRAPHICS=kitty|sixel` uses textual-image instead (the extra `graphics`); nothing is ever probed, because a
terminal that answers late answers as key presses.
"""

import os

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from screens.look import glyphs

UPPER_HALF = "▀"
_SHADES = " .:-=+*#%@"
GRAPHICS = ("half", "kitty", "sixel", "off")

Pixels = NDArray[np.uint8]


def chosen_graphics() -> str:
    """What `VITBENCH_GRAPHICS` says; half blocks when it says nothing or nonsense."""
    chosen = os.environ.get("VITBENCH_GRAPHICS", "half")
    return chosen if chosen in GRAPHICS else "half"


def fitted_size(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """The largest size in pixels (two a cell, one above the other) that keeps the shape and fits into the cells."""
    scale = min(columns / width, 2 * rows / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def half_blocks(pixels: Pixels) -> list[Strip]:
    """Pixels [height, width, 3] as rows of `▀`: foreground the upper pixel, background the lower one.

    An odd last row leaves its lower half to the widget's background.
    """
    height, width, _ = pixels.shape
    styles: dict[tuple[int, ...], Style] = {}
    strips = []
    for top in range(0, height, 2):
        pair = pixels[top : top + 2].transpose(1, 0, 2).reshape(width, -1).tolist()
        segments = []
        for cell in pair:
            key = tuple(cell)
            if key not in styles:
                lower = Color.from_triplet(ColorTriplet(*cell[3:6])) if len(cell) == 6 else None
                styles[key] = Style(color=Color.from_triplet(ColorTriplet(*cell[:3])), bgcolor=lower)
            segments.append(Segment(UPPER_HALF, styles[key]))
        strips.append(Strip(segments, width))
    return strips


def shades(pixels: Pixels) -> list[Strip]:
    """The picture in ASCII signs of rising density, one a cell, for terminals without Unicode."""
    light = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    rows = (light[0::2][: light.shape[0] // 2] + light[1::2]) / 2 if light.shape[0] > 1 else light
    signs = np.clip(rows / 256 * len(_SHADES), 0, len(_SHADES) - 1).astype(int)
    return [Strip([Segment("".join(_SHADES[sign] for sign in row))], len(row)) for row in signs.tolist()]


class Picture(Widget):
    """Shows one picture, as large as its place allows, in its own shape."""

    DEFAULT_CSS = "Picture { width: 1fr; height: 1fr; }"

    def __init__(self, pixels: Pixels | None = None, *, id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self._pixels = pixels
        self._painted: list[Strip] | None = None
        self._painted_size = (0, 0)
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
        if self._painted is None or self._painted_size != self.size:
            self._painted_size = (self.size.width, self.size.height)
            self._painted = self._paint(*self._painted_size)
        if y >= len(self._painted):
            return Strip.blank(self.size.width, self.rich_style)
        return self._painted[y].apply_style(self.rich_style)

    def _paint(self, columns: int, rows: int) -> list[Strip]:
        assert self._pixels is not None
        if columns < 1 or rows < 1:
            return []
        size = fitted_size(self._pixels.shape[1], self._pixels.shape[0], columns, rows)
        scaled = np.asarray(Image.fromarray(self._pixels).resize(size, Image.Resampling.BICUBIC))
        strips = shades(scaled) if glyphs().ascii else half_blocks(scaled)
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
