"""A grid of position tiles in few pixels: tiles stay apart, or only those around the cursor are shown."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from textual.color import Color
from textual.message import Message

from screens.colours import depth_of
from screens.widgets.oklab import nearest
from screens.widgets.picture import Picture, Pixels
from vitbench.terminal_colours import Depth

LEAST = 3
"""Pixels of a tile's side below which tiles cannot be told apart."""
WINDOW_TILE = 6
"""Pixels of a tile's longer side where only some tiles are shown."""


@dataclass(frozen=True, eq=False)
class TilesPreview:
    """`pixels` of exactly the room asked for; the tiles shown are rows and columns `first` to `last`, from 0."""

    pixels: Pixels
    first: tuple[int, int]
    last: tuple[int, int]
    whole: bool

    def words(self) -> str:
        """Which tiles are shown, if not all."""
        if self.whole:
            return ""
        (top, left), (bottom, right) = self.first, self.last
        return f"{_span('row', top, bottom)}, {_span('column', left, right)}"


def _span(what: str, first: int, last: int) -> str:
    """`row 7`, `rows 7 to 9`; both are counted from 0 and said from 1."""
    return f"{what} {first + 1}" if first == last else f"{what}s {first + 1} to {last + 1}"


def tiles_preview(
    picture: Pixels,
    grid: tuple[int, int],
    cursor: tuple[int, int],
    room: tuple[int, int],
    ground: tuple[int, int, int],
    mark: tuple[int, int, int] = (255, 80, 80),
) -> TilesPreview:
    """The raster of all tiles of a `grid` (rows, columns), a pixel of gap between them, in `room` (height, width).

    Each tile is shrunk alone, so that no colour runs from one into the next; the tile at `cursor` has a frame.
    """
    rows, columns = grid
    values = _one_pixel_a_value(picture, grid)
    side = _tile_side(room, grid, (rows, columns))
    whole = side >= LEAST
    shown = (rows, columns)
    if not whole:
        side = WINDOW_TILE
        high, wide = _size(side, grid)
        shown = max(1, min(rows, (room[0] - 1) // (high + 1))), max(1, min(columns, (room[1] - 1) // (wide + 1)))
    top, left = (
        min(max(place - count // 2, 0), total - count) for place, count, total in zip(cursor, shown, grid, strict=True)
    )
    high, wide = _size(side, grid)
    canvas = np.full((shown[0] * (high + 1) + 1, shown[1] * (wide + 1) + 1, 3), ground, np.uint8)
    for row in range(shown[0]):
        for column in range(shown[1]):
            tile = Image.fromarray(values[top + row, left + column])
            how = Image.Resampling.BOX if high < rows or wide < columns else Image.Resampling.NEAREST
            y, x = row * (high + 1) + 1, column * (wide + 1) + 1
            canvas[y : y + high, x : x + wide] = np.asarray(tile.resize((wide, high), how))
    y, x = (cursor[0] - top) * (high + 1), (cursor[1] - left) * (wide + 1)
    canvas[[y, y + high + 1], x : x + wide + 2] = mark
    canvas[y : y + high + 2, [x, x + wide + 1]] = mark
    last = (top + shown[0] - 1, left + shown[1] - 1)
    return TilesPreview(_centred(canvas, room, ground), (top, left), last, whole)


def _one_pixel_a_value(picture: Pixels, grid: tuple[int, int]) -> Pixels:
    """The tiles [rows, columns, rows, columns, 3] of the raster, whose values are squares of several pixels."""
    rows, columns = grid
    factor = picture.shape[0] // (rows * (rows + 1) + 1)
    small = picture[factor // 2 :: factor, factor // 2 :: factor]
    small = small[: rows * (rows + 1) + 1, : columns * (columns + 1) + 1]
    tiles = small[1:, 1:].reshape(rows, rows + 1, columns, columns + 1, 3)[:, :rows, :, :columns]
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3, 4))


def _tile_side(room: tuple[int, int], grid: tuple[int, int], shown: tuple[int, int]) -> int:
    """The longer side of a tile with which `shown` tiles fill the room."""
    side = 0
    while True:
        high, wide = _size(side + 1, grid)
        if shown[0] * (high + 1) + 1 > room[0] or shown[1] * (wide + 1) + 1 > room[1]:
            return side
        side += 1


def _size(side: int, grid: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a tile whose longer side is `side`."""
    longest = max(grid)
    return max(1, round(side * grid[0] / longest)), max(1, round(side * grid[1] / longest))


def _centred(canvas: Pixels, room: tuple[int, int], ground: tuple[int, int, int]) -> Pixels:
    if canvas.shape[0] > room[0] or canvas.shape[1] > room[1]:
        return canvas[: room[0], : room[1]]
    full = np.full((*room, 3), ground, np.uint8)
    top, left = (room[0] - canvas.shape[0]) // 2, (room[1] - canvas.shape[1]) // 2
    full[top : top + canvas.shape[0], left : left + canvas.shape[1]] = canvas
    return full


class TilesPicture(Picture):
    """All tiles of a grid, or those around the cursor, fitted to its place; `Fitted` tells when that has changed."""

    class Fitted(Message):
        """Another part of the tiles is shown, or the same at another size."""

        def __init__(self, picture: "TilesPicture", preview: TilesPreview) -> None:
            super().__init__()
            self.picture, self.preview = picture, preview

    _tiles: tuple[Pixels, tuple[int, int], tuple[int, int]] | None = None

    def show_tiles(self, picture: Pixels, grid: tuple[int, int], cursor: tuple[int, int]) -> None:
        """Replaces the raster of all tiles; the tile at `cursor`, from 0, has a frame."""
        self._tiles = picture, grid, (min(cursor[0], grid[0] - 1), min(cursor[1], grid[1] - 1))
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        room = 2 * self.size.height, self.size.width
        if self._tiles is None or min(room) < 1:
            return
        ground = Color.parse(self.app.theme_variables["panel"]).rgb
        if depth_of(self.app) is Depth.PALETTE:
            ground = nearest(ground)  # else dithering sprinkles it with dots of other hues
        preview = tiles_preview(*self._tiles, room, ground)
        self.show(preview.pixels)
        self.post_message(self.Fitted(self, preview))
