"""A Sheet on paper: titles, axes and colour bars by matplotlib (object API) around the panels' own pixels.

A raster pixel is a whole number of a PNG's pixels, so what is saved is what the preview shows. Lengths are inches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitbench.figures.colours import colour_table
from vitbench.figures.sheet import Cells, Panel, Profile, Scale, Sheet
from vitbench.figures.type import (
    LINE,
    SETTINGS,
    SIZE,
    ends,
    literal,
    shortened,
    text_width,
    wrapped,
)
from vitbench.requests.drawing import ONE_COLUMN, TWO_COLUMNS, Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INCH = 25.4
MARGIN, GAP = 0.05, 0.07
_TITLE_LINES = 5
"""Lines of a panel's title at most: what stands above a map of 15 mm is to be read whole."""
BAR, BAR_ROOM, BAR_GAP = 0.08, 0.62, 0.08
"""A colour bar beside the panels: its width, the room with its numbers and title, and the way to it."""
STRIP, STRIP_GAP = 0.04, 0.03
"""A colour bar below a panel."""
TALLEST = 8.5
"""The most that the rasters of a figure take from top to bottom, which is what a page has."""
CURVE = 0.7
"""The room of the curves beside a panel with a profile."""


def draw(sheet: Sheet, drawing: Drawing | None = None) -> "Figure":
    """The sheet as a figure of the width that `drawing` asks for, with the caption below if it is wanted."""
    import matplotlib

    drawing = drawing or Drawing()
    with matplotlib.rc_context(SETTINGS):
        if sheet.plots:
            from vitbench.figures.draw_plots import draw_plots

            return draw_plots(sheet, drawing)
        return _draw_panels(sheet, drawing)


@dataclass(frozen=True)
class _Around:
    """Room around a panel's raster."""

    left: float = 0.0
    right: float = 0.0
    above: float = 0.0
    below: float = 0.0


@dataclass
class _Layout:
    """Where everything stands, in inches: `unit` is a raster pixel's side."""

    unit: float
    width: float
    height: float
    lefts: list[float]
    tops: list[float]
    around: dict[int, _Around]
    titles: dict[int, list[str]]
    shared: Scale | None
    caption: list[str] = field(default_factory=list)
    heading: list[str] = field(default_factory=list)


def _draw_panels(sheet: Sheet, drawing: Drawing) -> "Figure":
    layout = _layout(sheet, drawing)
    factor = max(1, math.ceil(drawing.dpi * layout.unit - 1e-9))
    dpi = factor / layout.unit
    canvas = _Canvas(layout.width, layout.height, dpi)
    if layout.heading:
        canvas.lines(layout.heading, MARGIN, MARGIN)
    for index, panel in enumerate(sheet.panels):
        row, column = panel.place
        around = layout.around[index]
        high, wide = panel.picture.shape[:2]
        room = _column_width(sheet.panels, column)
        left = layout.lefts[column] + (room - wide) * layout.unit / 2
        top = layout.tops[row]
        axes = canvas.raster(panel, left, top, factor)
        lines = layout.titles[index]
        for position, line in enumerate(lines):
            middle = left + wide * layout.unit / 2
            y = top - 0.03 - (len(lines) - 1 - position) * LINE
            canvas.text(line, middle, y, ha="center", va="bottom")
        if panel.cells is not None and axes is not None:
            _number_cells(axes, panel.cells, panel, layout.unit)
        if panel.profile is not None:
            _draw_profile(canvas, panel, panel.profile, left, top, layout.unit)
        if panel.scale is not None and layout.shared is None:
            below = 0.0 if panel.cells is None else around.below - _strip_room()
            canvas.strip(panel.scale, left, top + high * layout.unit + STRIP_GAP + below, wide * layout.unit)
    if layout.shared is not None:
        first, last = min(layout.tops), max(_bottoms(sheet.panels, layout))
        canvas.bar(layout.shared, layout.width - MARGIN - BAR_ROOM, first + 0.04, min(last - first, 2.2) - 0.08)
    if layout.caption:
        canvas.lines(layout.caption, MARGIN, layout.height - MARGIN - len(layout.caption) * LINE)
    return canvas.figure


def _layout(sheet: Sheet, drawing: Drawing) -> _Layout:
    """One colour bar at the side for panels of one scale, if it is long enough for its title; else one a panel."""
    layout = _laid_out(sheet, drawing, _shared_scale(sheet.panels))
    if layout.shared is None:
        return layout
    height = max(_bottoms(sheet.panels, layout)) - min(layout.tops)
    fits = height > text_width(layout.shared.title) + 0.1
    return layout if fits else _laid_out(sheet, drawing, None)


def _shared_scale(panels: Sequence[Panel]) -> Scale | None:
    """The scale of all panels, where one bar serves them; a single map among pictures has it below."""
    scales = {panel.scale for panel in panels if panel.scale is not None}
    serves = all(panel.scale is not None for panel in panels) or len(panels) > 2
    return next(iter(scales)) if len(scales) == 1 and serves else None


def _laid_out(sheet: Sheet, drawing: Drawing, shared: Scale | None) -> _Layout:
    panels = sheet.panels
    columns = 1 + max(panel.place[1] for panel in panels)
    rows = 1 + max(panel.place[0] for panel in panels)
    millimetres = drawing.width or (ONE_COLUMN if columns <= 2 and not sheet.two_columns else TWO_COLUMNS)
    width = millimetres / INCH
    around = {index: _around(panel, shared) for index, panel in enumerate(panels)}
    widths = [_column_width(panels, column) for column in range(columns)]
    sides = [
        (
            max((around[n].left for n, panel in enumerate(panels) if panel.place[1] == column), default=0.0),
            max((around[n].right for n, panel in enumerate(panels) if panel.place[1] == column), default=0.0),
        )
        for column in range(columns)
    ]
    body = width - 2 * MARGIN - (BAR_GAP + BAR_ROOM if shared else 0.0) - (columns - 1) * GAP
    unit = max(body - sum(left + right for left, right in sides), 0.3) / sum(widths)
    tall = sum(
        max((panel.picture.shape[0] for panel in panels if panel.place[0] == row), default=0) for row in range(rows)
    )
    spare = max(0.0, unit - TALLEST / tall) * sum(widths)
    unit = min(unit, TALLEST / tall)
    lefts, x = [], MARGIN + spare / 2
    for (before, after), wide in zip(sides, widths, strict=True):
        lefts.append(x + before)
        x += before + wide * unit + after + GAP
    heading = wrapped(sheet.title, width - 2 * MARGIN)
    titles = {
        index: [literal(line) for line in wrapped(panel.title, widths[panel.place[1]] * unit + 0.05, most=_TITLE_LINES)]
        for index, panel in enumerate(panels)
    }
    tops, y = [], MARGIN + len(heading) * LINE
    for row in range(rows):
        mine = [(n, panel) for n, panel in enumerate(panels) if panel.place[0] == row]
        above = max((len(titles[n]) * LINE + 0.05 + around[n].above for n, _ in mine), default=0.0)
        tops.append(y + above)
        tall = max((panel.picture.shape[0] * unit + around[n].below for n, panel in mine), default=0.0)
        y += above + tall + GAP
    caption = [literal(line) for line in wrapped(sheet.caption, width - 2 * MARGIN)] if drawing.caption else []
    height = y - GAP + MARGIN + (len(caption) * LINE + GAP if caption else 0.0)
    return _Layout(
        unit, width, height, lefts, tops, around, titles, shared, caption, [literal(line) for line in heading]
    )


def _column_width(panels: Sequence[Panel], column: int) -> int:
    return max((panel.picture.shape[1] for panel in panels if panel.place[1] == column), default=1)


def _bottoms(panels: Sequence[Panel], layout: _Layout) -> list[float]:
    return [layout.tops[panel.place[0]] + panel.picture.shape[0] * layout.unit for panel in panels]


def _strip_room() -> float:
    return STRIP_GAP + STRIP + LINE + 0.02


def _around(panel: Panel, shared: Scale | None) -> _Around:
    """The room that a panel's axes, curves and colour bar take."""
    left = right = below = 0.0
    if panel.cells is not None:
        cells = panel.cells
        names = cells.row_names or (str(cells.rows),)
        left = max(text_width(name, SIZE) for name in names) + 0.06 + (LINE if cells.row_title else 0.0)
        long = max((text_width(name, SIZE) for name in cells.column_names), default=LINE)
        below = long + 0.05 + (LINE + 0.02 if cells.column_title else 0.0)
        right = 0.04
    if panel.profile is not None:
        left = max(left, text_width("−0.55", SIZE) + 0.08)
        right += GAP + CURVE
        below = GAP + CURVE + 2 * LINE + 0.05
    if panel.scale is not None and shared is None:
        below += _strip_room()
    return _Around(left=left, right=right, below=below)


class _Canvas:
    """A figure that is measured in inches from its top left."""

    def __init__(self, width: float, height: float, dpi: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.dpi = dpi
        self.wide, self.high = math.ceil(width * dpi), math.ceil(height * dpi)
        self.figure: Figure = Figure(figsize=(self.wide / dpi, self.high / dpi), dpi=dpi, facecolor="white")
        FigureCanvasAgg(self.figure)
        self._page: Axes | None = None

    def axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Axes in a rectangle."""
        bottom = self.high - (top + height) * self.dpi
        return self.figure.add_axes(
            (
                left * self.dpi / self.wide,
                bottom / self.high,
                width * self.dpi / self.wide,
                height * self.dpi / self.high,
            )
        )

    def raster(self, panel: Panel, left: float, top: float, factor: int) -> "Axes | None":
        """A panel's pixels, each `factor` x `factor` pixels of the figure, from whole pixels on.

        The answer is the axes of a panel with cells, which has ticks.
        """
        high, wide = panel.picture.shape[0] * factor, panel.picture.shape[1] * factor
        x, y = round(left * self.dpi), round(top * self.dpi)
        bottom = self.high - y - high
        if panel.cells is None:
            self._image(panel.picture, (x, x + wide, bottom, bottom + high), "none")
            return None
        axes = self.figure.add_axes((x / self.wide, bottom / self.high, wide / self.wide, high / self.high))
        axes.imshow(panel.picture, interpolation="none", aspect="auto", resample=False)
        return axes

    def _image(self, pixels: NDArray[np.uint8], extent: tuple[float, float, float, float], interpolation: str) -> None:
        """Pixels without axes of their own; `extent` is left, right, bottom, top in pixels of the figure."""
        from matplotlib.image import AxesImage

        if self._page is None:  # one for all such pictures: axes take many times as long to make as a picture to draw
            self._page = self.figure.add_axes((0, 0, 1, 1), xlim=(0, self.wide), ylim=(0, self.high))
            self._page.set_axis_off()
        image = AxesImage(self._page, interpolation=interpolation, extent=extent, resample=False)
        image.set_data(pixels)
        self._page.add_image(image)

    def text(self, words: str, x: float, y: float, size: float = SIZE, **how: Any) -> None:
        """Words at a place, in dots from the upper left corner; `how` is what matplotlib's `Figure.text` takes."""
        self.figure.text(x * self.dpi / self.wide, 1 - y * self.dpi / self.high, words, fontsize=size, **how)

    def lines(self, lines: Sequence[str], x: float, y: float) -> None:
        """Lines from the top `y` down."""
        for position, line in enumerate(lines):
            self.text(line, x, y + (position + 0.5) * LINE, ha="left", va="center")

    def strip(self, scale: Scale, left: float, top: float, width: float) -> None:
        """A colour bar that lies below a panel, with the numbers of its ends and what they are."""
        above = self.high - top * self.dpi
        extent = (left * self.dpi, (left + width) * self.dpi, above - STRIP * self.dpi, above)
        self._image(colour_table(scale.colour_map)[None], extent, "nearest")
        y = top + STRIP + 0.015
        low, high = ends(scale.low, scale.high, width)
        self.text(low, left, y, SIZE, ha="left", va="top")
        self.text(high, left + width, y, SIZE, ha="right", va="top")
        room = width - text_width(low, SIZE) - text_width(high, SIZE) - 0.1
        if scale.title and text_width(scale.title, SIZE) <= room:
            middle = left + text_width(low, SIZE) + 0.05 + room / 2
            self.text(literal(scale.title), middle, y, SIZE, ha="center", va="top")

    def bar(self, scale: Scale, left: float, top: float, height: float) -> None:
        """A colour bar that stands beside the panels, with numbers and what they are."""
        axes = self.axes(left, top, BAR, height)
        low, high = scale.low, scale.high if scale.high > scale.low else scale.low + 1e-9
        axes.imshow(
            colour_table(scale.colour_map)[::-1, None], aspect="auto", extent=(0, 1, low, high), interpolation="nearest"
        )
        axes.set_xticks([])
        axes.yaxis.tick_right()
        axes.yaxis.set_label_position("right")
        _round_ticks(axes.yaxis, low, high, max(2, min(5, int(height / 0.25))))
        axes.set_ylabel(shortened(literal(scale.title), height))


def _number_cells(axes: "Axes", cells: Cells, panel: Panel, unit: float) -> None:
    """Numbers or names in the middle of the cells, as many as there is room for in letters of a readable size."""
    high, wide = panel.picture.shape[:2]
    _ticks(
        axes.xaxis,
        cells.columns,
        wide,
        unit,
        cells.column_names,
        turned=bool(cells.column_names),
        upright=bool(cells.column_names),
    )
    _ticks(axes.yaxis, cells.rows, high, unit, cells.row_names, turned=True)
    axes.tick_params(length=1.5)
    if cells.column_title:
        axes.set_xlabel(literal(cells.column_title))
    if cells.row_title:
        axes.set_ylabel(literal(cells.row_title))
    across, down = wide * unit / cells.columns, high * unit / cells.rows
    fits = 72 * down * 0.85 >= SIZE
    for row, texts in enumerate(cells.numbers):
        for column, words in enumerate(texts):
            if words and fits and text_width(words) < across:
                place = ((column + 0.5) * wide / cells.columns - 0.5, (row + 0.5) * high / cells.rows - 0.5)
                ground = panel.picture[int((row + 0.5) * high / cells.rows), int((column + 0.5) * wide / cells.columns)]
                ink = "white" if float(ground @ np.array([0.299, 0.587, 0.114])) < 140 else "black"
                axes.text(*place, words, ha="center", va="center", fontsize=SIZE, color=ink)


def _ticks(
    axis: "Axis", count: int, length: int, unit: float, names: Sequence[str], *, turned: bool, upright: bool = False
) -> None:
    room = LINE if turned else text_width(str(count), SIZE) + 0.04
    every = max(1, math.ceil(room * count / (length * unit)))
    places = range(0, count, every)
    words = [literal(names[place]) if names else str(place + 1) for place in places]
    axis.set_ticks((np.array(places) + 0.5) * length / count - 0.5, words, fontsize=SIZE, rotation=90 if upright else 0)


def _round_ticks(axis: "Axis", low: float, high: float, most: int) -> None:
    """Round numbers from `low` to `high`, and none beyond them."""
    from matplotlib.ticker import MaxNLocator

    places = MaxNLocator(nbins=most).tick_values(low, high)
    axis.set_ticks([place for place in places if low <= place <= high])


def _draw_profile(canvas: _Canvas, panel: Panel, profile: Profile, left: float, top: float, unit: float) -> None:
    """Below the panel the curve along the cell's row, at its right the one along its column, on the panel's scale."""
    (row, column), (rows, columns) = profile.cell, profile.values.shape
    high, wide = panel.picture.shape[:2]
    scale = panel.scale
    low, most = (float(profile.values.min()), float(profile.values.max())) if scale is None else (scale.low, scale.high)
    room = (most - low) / 20 or 1.0
    limits = (low - room, most + room)
    below = canvas.axes(left, top + high * unit + GAP, wide * unit, CURVE)
    below.plot(
        (np.arange(columns) + 0.5) * wide / columns - 0.5, profile.values[row], ".-", color="black", lw=0.8, ms=2
    )
    below.axvline((column + 0.5) * wide / columns - 0.5, color="0.6", lw=0.6, ls="--")
    below.set(xlim=(-0.5, wide - 0.5), ylim=limits)
    _ticks(below.xaxis, columns, wide, unit, (), turned=False)
    below.set_xlabel(f"Patch column (along row {row + 1})")
    beside = canvas.axes(left + wide * unit + GAP, top, CURVE, high * unit)
    beside.plot(
        profile.values[:, column], (np.arange(rows) + 0.5) * high / rows - 0.5, ".-", color="black", lw=0.8, ms=2
    )
    beside.axhline((row + 0.5) * high / rows - 0.5, color="0.6", lw=0.6, ls="--")
    beside.set(xlim=limits, ylim=(high - 0.5, -0.5), yticks=[])
    beside.set_xlabel(f"Along column {column + 1}")
    _round_ticks(below.yaxis, low, most, 3)
    _round_ticks(beside.xaxis, low, most, 3)
    for axes in (below, beside):
        axes.grid(alpha=0.3, linewidth=0.4)
