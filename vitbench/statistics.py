"""Estimates with intervals, average precision, and rank correlation.

Resampling is over pictures: what they hold belongs together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


def bootstrap_counts(pictures: int, *, seed: int, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """How often each picture was drawn, with replacement, in each resample [resamples, pictures]."""
    draws = np.random.default_rng(seed).integers(0, pictures, (resamples, pictures))
    return np.stack([np.bincount(draw, minlength=pictures) for draw in draws])


def clustered_mean(values: NDArray[np.float64], where: NDArray[np.int64], times: NDArray[np.int64]) -> Estimate | None:
    """The mean of the values [N] that are not NaN; None if all are.

    The interval comes from ratios of resampled sums and counts: value i belongs to picture `where[i]`, which resample r
    holds `times[r, where[i]]` times.
    """
    known = ~np.isnan(values)
    if not known.any():
        return None
    sums = np.bincount(where[known], values[known], minlength=times.shape[1])
    drawn = times @ np.bincount(where[known], minlength=times.shape[1])
    return percentile_interval(float(values[known].mean()), (times @ sums)[drawn > 0] / drawn[drawn > 0])


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """`value` between the 2.5th and the 97.5th percentile of what resamples [R] gave."""
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def wilson_interval(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """(low, high), 0 to 1, for successes / trials (Wilson 1927); 95% with the default `z`. At least 1 trial."""
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def average_precision(truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """The area under precision over recall in steps, sum over n of (R_n - R_n-1) P_n, of [N] and [N], 0 to 1; NaN if
    nothing is true.

    Equal scores are one step, so their order does not matter, as in scikit-learn's `average_precision_score`.
    """
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    hits = np.cumsum(truth[order])[last]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (last + 1)).sum() / hits[-1])


def ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks [N] from 0 of values of any shape in reading order, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse.ravel()], dtype=np.float64)


def spearman(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Rank correlation, -1 to 1, of two maps or lists of one size; 0 if one is everywhere the same."""
    a, b = (ranks(values.ravel()) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0
