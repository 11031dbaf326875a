"""Curves of runs that differ by their seed as one line with a band: mean, least and greatest at each place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeanBand:
    """Arrays [places]; `count` is how many of the curves reach a place, int64."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]


def mean_band(curves: Sequence[tuple[Floats, Floats]]) -> MeanBand:
    """The band of curves (x, y), at every x that one of them has.

    A curve that has no point at an x is interpolated between its neighbours, and counts only from its first to its
    last point: a run that is still behind does not pull the others. Values that are not finite do not count.
    """
    known = [_rising(x, y) for x, y in curves]
    places = np.unique(np.concatenate([x for x, _ in known])) if known else np.empty(0)
    values = np.full((len(known), places.size), np.nan)
    for row, (x, y) in enumerate(known):
        if x.size:
            values[row] = np.interp(places, x, y, left=np.nan, right=np.nan)
    count = np.isfinite(values).sum(axis=0)
    there = count > 0
    values, places, count = values[:, there], places[there], count[there]
    if not places.size:
        empty = np.empty(0)
        return MeanBand(empty, empty, empty, empty, count)
    return MeanBand(places, np.nanmean(values, 0), np.nanmin(values, 0), np.nanmax(values, 0), count)


def _rising(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The finite points by rising x; of two at one place the later one."""
    finite = np.isfinite(y)
    x, y = np.asarray(x, float)[finite], np.asarray(y, float)[finite]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    last = np.append(x[1:] != x[:-1], True) if x.size else np.empty(0, bool)
    return x[last], y[last]
