"""Curves of runs as lines over their steps, seeds as one with a band: what a table or a figure of them is made of."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from vitbench.comparing.bands import Floats, mean_band
from vitbench.comparing.report import Comparison
from vitbench.comparing.scores import plain_number, read_scalars


@dataclass(frozen=True, eq=False)
class ComparedCurve:
    """`x` and `y` [places]; of a mean over seeds `low` and `high`, the edges of its band, on the same places."""

    name: str
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None


def lines_of(found: Comparison, tag: str, grouped: bool) -> list[ComparedCurve]:
    """A line for each run that has a scalar; with `grouped` one for runs that differ by their seed alone."""
    measured = [read_scalars(run).get(tag) for run in found.runs]
    groups = found.groups if grouped else [[number] for number in range(len(found.runs))]
    drawn = []
    for group in groups:
        names = [found.names[number] for number in group]
        curves = [
            (series.steps.astype(np.float64), series.values)
            for number in group
            if (series := measured[number]) is not None and len(series)
        ]
        if curves and len(group) == 1:
            drawn.append(ComparedCurve(names[0], *curves[0]))
        elif curves:
            band = mean_band(curves)
            drawn.append(ComparedCurve(f"{names[0]} ({len(group)} seeds)", band.x, band.mean, band.low, band.high))
    return drawn


def lines_csv(lines: Sequence[ComparedCurve], x_name: str, x_names: Sequence[str] = (), *, marks: bool = False) -> str:
    """A row for each x that any line has, a column for each line; empty where a line has no value.

    A line with a band is a mean: the least and the greatest stand in columns of their own behind it. `x_names` are
    written in place of 1, 2, 3 ... Of several values at one x the last counts; of `marks`, each has its row.
    """
    names: list[str] = []
    columns: list[dict[float, list[float]]] = []
    for line in lines:
        drawn = [("", line.y)]
        if line.low is not None and line.high is not None:
            drawn = [(" mean", line.y), (" lowest", line.low), (" highest", line.high)]
        for what, y in drawn:
            names.append(line.name + what)
            values: dict[float, list[float]] = {}
            columns.append(values)
            for x, value in zip(line.x.tolist(), y.tolist(), strict=True):
                values[x] = [*values.get(x, ()), value] if marks else [value]
    places = np.unique(np.concatenate([line.x for line in lines])).tolist() if lines else []
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([x_name, *names])
    for x in places:
        place = x_names[round(x) - 1] if x_names else f"{x:.10g}"
        for row in zip_longest(*(column.get(x, ()) for column in columns)):
            writer.writerow([place, *("" if value is None else plain_number(value) for value in row)])
    return stream.getvalue()
