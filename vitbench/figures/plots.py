"""Plots of numbers as plain data: curves over an axis, and intervals by name. `figures.draw` puts them on paper."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SERIES_COLOURS = ("#0072b2", "#d55e00", "#0a9c53", "#b0578a", "#7f5229", "#3fa0d8", "#7a3b00", "#5c5c5c")
"""Colours of series on white, which people who see colours differently can tell apart; then they come again."""
DASHES: tuple[str, ...] = ("-", "--", "-.", ":")
"""Line styles, in the order in which series take them: they tell series apart where a print has no colour."""


@dataclass(frozen=True, eq=False)
class Series:
    """A line: `x` and `y` of one length, NaN as a gap. `smoothed` is drawn over the faint line of `y`.

    Points that are not `linked` are marks without a line.
    `low` and `high` are the edges of a band around it.
    """

    name: str
    x: Floats
    y: Floats
    colour: str
    dash: int = 0
    smoothed: Floats | None = None
    linked: bool = True
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, eq=False)
class Curves:
    """Series over a common axis. `x_range` and `y_range` of None follow the data; `shaded` marks a part of x.

    `x_names` stand at 1, 2, 3 ... of the horizontal axis in place of numbers.
    """

    title: str
    x_title: str
    y_title: str
    series: tuple[Series, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    shaded: tuple[float, float, str] | None = None
    """(from, to, words)"""
    x_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Forest:
    """A measure by name: a point and its interval for each; None where there is none.

    `hollow` names are controls, drawn as open points. `line` is a value that a dotted line marks in the whole plot,
    `marks` a value for each name, drawn as a tick (such as its level of chance).
    """

    title: str
    names: tuple[str, ...]
    values: tuple[Interval | None, ...]
    hollow: tuple[str, ...] = ()
    line: float | None = None
    marks: tuple[float | None, ...] = ()
    limits: tuple[float, float] | None = None


Plot = Curves | Forest


def forest_rows(plots: Sequence[Forest]) -> int:
    """How many names the plots have."""
    return max((len(plot.names) for plot in plots), default=0)
