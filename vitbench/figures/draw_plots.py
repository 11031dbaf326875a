"""Curves and forests of intervals on paper, by matplotlib."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitbench.figures.plots import DASHES, Curves, Forest, forest_rows
from vitbench.figures.sheet import Sheet
from vitbench.figures.type import LINE, SIZE, literal, shortened, text_width, wrapped
from vitbench.requests.drawing import ONE_COLUMN, TWO_COLUMNS, Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCH = 25.4
PAD = 0.06
COLUMNS, LEAST_FOREST = 4, 0.9
"""Forests in a row at most, and the inches that each takes at least."""
HANDLE = 0.45
"""Inches of a legend's line and the space around it."""
EDGE = 0.05
"""Of the width of a forest, so that a point on a limit is drawn whole."""
WHOLE = ("step", "epoch")
"""Axes whose places are counted."""
LINES_INSIDE = 6
"""More names of series than these stand below the chart."""


def draw_plots(sheet: Sheet, drawing: Drawing) -> "Figure":
    """The sheet's plots: curves below each other, forests in rows that share their names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    forests = [plot for plot in sheet.plots if isinstance(plot, Forest)]
    curves = [plot for plot in sheet.plots if isinstance(plot, Curves)]
    width = (drawing.width or (TWO_COLUMNS if forests else ONE_COLUMN)) / INCH
    heading = wrapped(sheet.title, width - 2 * PAD)
    caption = wrapped(sheet.caption, width - 2 * PAD) if drawing.caption else []
    body = _height(curves, forests, width)
    height = body + (len(heading) + len(caption)) * LINE + 2 * PAD
    figure = Figure(figsize=(width, height), dpi=drawing.dpi, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    below = _room_below(curves, width)
    top, bottom = (PAD + len(heading) * LINE) / height, (PAD + len(caption) * LINE + below) / height
    figure.get_layout_engine().set(  # type: ignore[union-attr, call-arg]  # it is the engine that the figure was made with
        rect=(PAD / width, bottom, 1 - 2 * PAD / width, 1 - top - bottom), w_pad=0.03, h_pad=0.03
    )
    for number, line in enumerate(heading):
        figure.text(PAD / width, 1 - (PAD + (number + 0.5) * LINE) / height, literal(line), va="center", fontsize=SIZE)
    for number, line in enumerate(reversed(caption)):
        figure.text(PAD / width, (PAD + (number + 0.5) * LINE) / height, literal(line), va="center", fontsize=SIZE)
    if forests:
        _draw_forests(figure, forests, width)
    else:
        axes = figure.subplots(len(curves), 1, squeeze=False)
        for place, plot in zip(axes.flat, curves, strict=True):
            _draw_curves(place, plot, width)
        _names_below(figure, axes.flat, curves, (PAD + len(caption) * LINE) / height)
    return figure


def _height(curves: Sequence[Curves], forests: Sequence[Forest], width: float) -> float:
    if forests:
        across, room = _forests_across(forests, width)
        lines = max(len(wrapped(plot.title, room, most=3)) for plot in forests)
        return -(-len(forests) // across) * (0.5 + lines * LINE + 1.25 * LINE * forest_rows(forests))
    below = _room_below(curves, width)
    return len(curves) * min(0.66 * width, 3.4) + below


def _draw_curves(axes: "Axes", plot: Curves, width: float) -> None:
    if plot.shaded is not None:
        start, stop, words = plot.shaded
        axes.axvspan(start, stop, color="0.5", alpha=0.15, linewidth=0)
        axes.annotate(words, ((start + stop) / 2, 0.02), xycoords=("data", "axes fraction"), ha="center", fontsize=SIZE)
    for number, series in enumerate(plot.series):
        y = series.y
        if series.low is not None and series.high is not None:
            axes.fill_between(series.x, series.low, series.high, color=series.colour, alpha=0.2, linewidth=0)
        if series.smoothed is not None:
            axes.plot(series.x, series.y, color=series.colour, alpha=0.25, linewidth=0.5)
            y = series.smoothed
        alone = "o" if not series.linked or np.isfinite(y).sum() == 1 else None
        axes.plot(
            series.x,
            y,
            label=_label(series.name),
            color=series.colour,
            linestyle=DASHES[number % len(DASHES)] if series.linked else "none",
            linewidth=1.0,
            marker=alone,
            markersize=3,
        )
    axes.set_title("\n".join(literal(line) for line in wrapped(plot.title, width - 0.7, most=3)), loc="left")
    axes.set_xlabel(literal(plot.x_title))
    axes.set_ylabel(literal(plot.y_title))
    if plot.x_log:
        axes.set_xscale("log")
    if plot.y_log:
        axes.set_yscale("log")
        _plain_log_labels(axes)
    if plot.x_range:
        axes.set_xlim(*plot.x_range)
    if plot.y_range:
        axes.set_ylim(*plot.y_range)
    low, high = axes.get_xlim()
    if plot.x_names:
        axes.set_xticks(range(1, len(plot.x_names) + 1), [literal(name) for name in plot.x_names])
        if plot.x_range is None:
            axes.set_xlim(0.5, len(plot.x_names) + 0.5)
        if sum(map(text_width, plot.x_names)) > 0.8 * width:
            axes.tick_params(axis="x", labelrotation=90)
    elif plot.x_title.lower() in WHOLE and not plot.x_log and high - low >= 2:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axes.grid(alpha=0.3, linewidth=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    if 1 < len(plot.series) <= LINES_INSIDE:
        axes.legend(frameon=False, handlelength=2.6)


def _columns(plot: Curves, width: float) -> int:
    """Columns of names below a chart: two where they fit."""
    longest = max(text_width(_label(series.name)) for series in plot.series)
    return 2 if 2 * (longest + HANDLE) <= width - 0.2 else 1


def _room_below(curves: Sequence[Curves], width: float) -> float:
    """Inches that the names below the charts take."""
    rows = [-(-len(plot.series) // _columns(plot, width)) for plot in curves if len(plot.series) > LINES_INSIDE]
    return sum(1.3 * LINE * count + LINE for count in rows)


def _names_below(figure: "Figure", places: Iterable["Axes"], curves: Sequence[Curves], bottom: float) -> None:
    """The names of many series below the charts, each as long as it fits, the last chart's lowest."""
    width, height = figure.get_size_inches()
    for axes, plot in reversed(list(zip(places, curves, strict=True))):
        if len(plot.series) <= LINES_INSIDE:
            continue
        columns = _columns(plot, width)
        handles, names = axes.get_legend_handles_labels()
        short = [shortened(name, (width - 0.3) / columns - HANDLE) for name in names]
        figure.legend(
            handles,
            short,
            frameon=False,
            loc="lower center",
            bbox_to_anchor=(0.5, bottom),
            ncols=columns,
            handlelength=2.6,
            labelspacing=0.3,
            borderpad=0.2,
            borderaxespad=0.0,
        )
        bottom += _room_below([plot], width) / height


def _plain_log_labels(axes: "Axes") -> None:
    """0.5 and 20 instead of powers of ten, where the axis spans few of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_ylim()
    short = high / max(low, 1e-300) < 100
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _forests_across(forests: Sequence[Forest], width: float) -> tuple[int, float]:
    """How many forests stand in a row beside their names, and the inches that each has."""
    names = max(text_width(literal(name)) for plot in forests for name in plot.names) + 0.1
    across = max(1, min(COLUMNS, len(forests), int((width - 2 * PAD - names) / LEAST_FOREST)))
    return across, (width - 2 * PAD - names) / across - 0.1


def _draw_forests(figure: "Figure", forests: Sequence[Forest], width: float) -> None:
    columns, room = _forests_across(forests, width)
    rows = -(-len(forests) // columns)
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False, sharey=True).flat):
        if number >= len(forests):
            axes.set_axis_off()
            continue
        plot = forests[number]
        for place, (name, found) in enumerate(zip(plot.names, plot.values, strict=True)):
            if found is None:
                continue
            control = name in plot.hollow
            colour = "0.35" if control else "#0072b2"
            axes.plot([found.low, found.high], [place, place], color=colour, lw=1.0)
            axes.plot(found.value, place, "o", ms=3, color=colour, mfc="white" if control else colour, mew=0.7)
        for place, mark in enumerate(plot.marks):
            if mark is not None:
                axes.plot([mark, mark], [place - 0.4, place + 0.4], color="#d55e00", lw=1.0)
        if plot.line is not None:
            axes.axvline(plot.line, color="0.5", lw=0.6, ls=":")
        if plot.limits is not None:
            low, high = plot.limits
            edge = EDGE * (high - low)
            axes.set_xlim(low - edge, high + edge)
        axes.set_title("\n".join(literal(line) for line in wrapped(plot.title, room, most=3)), fontsize=SIZE)
        axes.set_yticks(range(len(plot.names)), [literal(name) for name in plot.names], fontsize=SIZE)
        axes.set_ylim(len(plot.names) - 0.5, -0.5)
        axes.grid(alpha=0.3, linewidth=0.4)
        axes.spines[["top", "right"]].set_visible(False)


def _label(name: str) -> str:
    """A name for the legend; an underscore at the start would hide its line."""
    text = literal(name)
    return " " + text if text.startswith("_") else text
