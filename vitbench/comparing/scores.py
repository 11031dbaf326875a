"""The scalars of runs: the best and the last value, with its step; and groups of seeds as one line."""

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.runs.events import EventReader, Series
from vitbench.runs.store import Run

_SMALLER_IS_BETTER = ("loss", "error", "perplexity", "seconds", "norm")
_SMALLER_AS_A_WORD = frozenset({"mae", "mse", "rmse", "wer", "cer", "ece"})


@dataclass(frozen=True)
class At:
    """A value and the step at which it was measured."""

    value: float
    step: int


@dataclass(frozen=True)
class Score:
    """One scalar of one run: the best value, the first where it was reached, and the last; None if none is finite."""

    best: At | None
    last: At | None


@dataclass(frozen=True)
class Spread:
    """The best values of runs that differ by their seed."""

    count: int
    mean: float
    low: float
    high: float
    deviation: float | None
    """Of the sample; None for a single run."""


def read_scalars(run: Run) -> dict[str, Series]:
    """All scalars that a run has logged."""
    reader = EventReader(run.folder)
    reader.read()
    return reader.series


def smaller_is_better(tag: str) -> bool:
    """Whether the best value of a scalar is its least, which its name tells."""
    name = tag.rpartition("/")[2].lower()
    words = re.split(r"[^a-z0-9]+", name)
    return any(word in name for word in _SMALLER_IS_BETTER) or not _SMALLER_AS_A_WORD.isdisjoint(words)


def score(series: Series | None, tag: str) -> Score:
    """The best and the last of the finite values."""
    if series is None:
        return Score(None, None)
    finite = np.flatnonzero(np.isfinite(series.values))
    if not len(finite):
        return Score(None, None)
    values, steps = series.values[finite], series.steps[finite]
    best = int(values.argmin() if smaller_is_better(tag) else values.argmax())
    return Score(At(float(values[best]), int(steps[best])), At(float(values[-1]), int(steps[-1])))


def spread(values: Sequence[float | None]) -> Spread | None:
    """Mean, least and greatest of the values that are known; None if none is."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(len(known), statistics.fmean(known), min(known), max(known), deviation)


def default_tags(scalars: Sequence[dict[str, Series]]) -> list[str]:
    """The scalars of validation and test that at least one run has, and the training loss; classes one by one not."""
    known = dict.fromkeys(tag for of_run in scalars for tag in sorted(of_run))
    chosen = [tag for tag in known if tag.startswith(("validation/", "test/")) and tag.count("/") == 1]
    return [*chosen, *(tag for tag in known if tag == "train/loss")]


def plain_number(value: float, exact: bool = False) -> str:
    """A number as it was meant: event files hold single precision, in which 0.1 is 0.10000000149011612.

    What is no single precision, such as a mean, has nine digits; with `exact` all that it takes.
    """
    single = np.float32(value)
    if float(single) == value or not np.isfinite(value):
        return str(single)
    return repr(float(value)) if exact else f"{value:.9g}"
