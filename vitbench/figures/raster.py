"""Picture panels as pixels: overlays, tiles and mosaics, in numpy and Pillow only.

The raster made here is what a terminal preview shows and what a saved figure contains.
Pictures are uint8 [height, width, 3]; maps are float [rows, columns], row 0 at the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitbench.figures.colours import colourise, value_range

Picture = NDArray[np.uint8]
Values = NDArray[np.floating]
Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels of the original picture; it may reach beyond its edges."""


@dataclass(frozen=True)
class OverlayStyle:
    """How a map is laid over a picture."""

    colour_map: str = "jet"
    strength: float = 0.5
    smooth: bool = True
    low: float | None = None
    high: float | None = None


def upsample(values: Values, height: int, width: int, smooth: bool = True) -> NDArray[np.float32]:
    """`values` [rows, columns] stretched to [height, width]: bilinear between patch centres, or nearest."""
    if not smooth:
        rows = np.arange(height) * values.shape[0] // height
        columns = np.arange(width) * values.shape[1] // width
        return values[rows[:, None], columns[None, :]].astype(np.float32)
    stretched = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(stretched)


def place(values: Values, height: int, width: int, box: Box | None = None, smooth: bool = True) -> NDArray[np.float32]:
    """The map on the pixels of the original picture: float32 [height, width], NaN where the network did not look.

    `box` is the part of the original picture that the network saw (None: all of it).
    """
    if box is None:
        return upsample(values, height, width, smooth)
    left, top, right, bottom = (round(edge) for edge in box)
    stretched = upsample(values, max(1, bottom - top), max(1, right - left), smooth)
    placed = np.full((height, width), np.nan, dtype=np.float32)
    seen = stretched[max(0, -top) : height - top, max(0, -left) : width - left]
    placed[max(0, top) : max(0, top) + seen.shape[0], max(0, left) : max(0, left) + seen.shape[1]] = seen
    return placed


def overlay(picture: Picture, values: Values, style: OverlayStyle | None = None, box: Box | None = None) -> Picture:
    """The map's colours mixed into the picture; where the network did not look the picture is dimmed instead."""
    style = style or OverlayStyle()
    low, high = value_range(values)
    scaled = replace(
        style, low=low if style.low is None else style.low, high=high if style.high is None else style.high
    )
    placed = place(values, picture.shape[0], picture.shape[1], box, style.smooth)
    return overlay_placed(picture, placed, scaled, dim=box is not None)


def overlay_placed(picture: Picture, placed: Values, style: OverlayStyle, *, dim: bool = True) -> Picture:
    """Values [height, width] of each of the picture's pixels, as `place` gives them, mixed into it; with `dim` the
    picture is darker where they are NaN."""
    heat = colourise(placed, style.colour_map, style.low, style.high)
    mixed = picture * np.float32(1 - style.strength)
    mixed += heat * np.float32(style.strength)
    unseen = np.isnan(placed)
    if dim and unseen.any():
        mixed[unseen] = 0.35 * picture[unseen]
    return np.rint(mixed, out=mixed).astype(np.uint8)


def overlay_colours(
    picture: Picture,
    colours: Picture,
    where: NDArray[np.bool_],
    strength: float = 1.0,
    smooth: bool = False,
    box: Box | None = None,
) -> Picture:
    """Colours [rows, columns, 3] of the patches mixed into the picture `where` [rows, columns] they are shown; the
    rest of what the network saw is dark, and what it did not see is dimmed."""
    height, width = picture.shape[:2]
    planes = [place(colours[..., channel].astype(np.float32), height, width, box, smooth) for channel in range(3)]
    placed = np.stack(planes, axis=-1)
    shown = place(where.astype(np.float32), height, width, box, smooth=False)
    mixed = (1 - strength) * picture + strength * np.nan_to_num(placed)
    dark = (1 - strength) * picture
    result = np.where((shown > 0)[..., None], mixed, dark)
    return np.where(np.isnan(shown)[..., None], 0.35 * picture.astype(np.float64), result).round().astype(np.uint8)


def mark_patch(
    picture: Picture, grid: tuple[int, int], patch: tuple[int, int], box: Box | None = None, colour: str = "#ffffff"
) -> Picture:
    """A copy of the picture with the outline of one patch (row, column) of the `grid` (rows, columns)."""
    left, top, right, bottom = box or (0, 0, picture.shape[1], picture.shape[0])
    high, wide = (bottom - top) / grid[0], (right - left) / grid[1]
    edges = [left + patch[1] * wide, top + patch[0] * high, left + (patch[1] + 1) * wide, top + (patch[0] + 1) * high]
    canvas = Image.fromarray(picture)
    thickness = max(1, round(min(picture.shape[:2]) / 150))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle([round(edge) for edge in edges], outline="#000000", width=thickness + 2)
    draw.rectangle([round(edge) for edge in edges], outline=colour, width=thickness)
    return np.asarray(canvas)


def fit(picture: Picture, height: int, width: int, background: tuple[int, int, int] = (255, 255, 255)) -> Picture:
    """The picture scaled, its proportions kept, and centred on a canvas of this size."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    high, wide = max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale))
    canvas = np.full((height, width, 3), background, dtype=np.uint8)
    scaled = np.asarray(Image.fromarray(picture).resize((wide, high), Image.Resampling.LANCZOS))
    top, left = (height - high) // 2, (width - wide) // 2
    canvas[top : top + high, left : left + wide] = scaled
    return canvas


def mosaic(
    pictures: Sequence[Picture], columns: int, gap: int = 4, background: tuple[int, int, int] = (255, 255, 255)
) -> Picture:
    """Pictures in reading order on a grid; each cell is as large as the largest picture, pictures centred in it."""
    high = max(picture.shape[0] for picture in pictures)
    wide = max(picture.shape[1] for picture in pictures)
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (high + gap) - gap, columns * (wide + gap) - gap, 3), background, dtype=np.uint8)
    for number, picture in enumerate(pictures):
        top = number // columns * (high + gap) + (high - picture.shape[0]) // 2
        left = number % columns * (wide + gap) + (wide - picture.shape[1]) // 2
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def tile_grid(similarity: Values, rows: int, columns: int, gap: int = 1) -> NDArray[np.float32]:
    """A [T, T] matrix (T = rows x columns) as one map of rows x columns tiles, each of rows x columns values.

    Tile (r, c) shows how patch (r, c) relates to every patch. Gaps are NaN.
    Raises ValueError if the matrix does not belong to the grid.
    """
    if similarity.shape != (rows * columns, rows * columns):
        raise ValueError(f"a {similarity.shape} matrix is not of a {rows} x {columns} grid")
    high, wide = rows + gap, columns + gap
    canvas = np.full((rows * high + gap, columns * wide + gap), np.nan, dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            tile = similarity[row * columns + column].reshape(rows, columns)
            canvas[row * high + gap : (row + 1) * high, column * wide + gap : (column + 1) * wide] = tile
    return canvas


def enlarge(values: NDArray, factor: int) -> NDArray:
    """Every value as a square of factor x factor: [rows, columns] or [rows, columns, 3] as [rows * factor, ...]."""
    return values.repeat(factor, axis=0).repeat(factor, axis=1)
