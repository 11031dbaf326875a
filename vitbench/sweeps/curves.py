"""What a sweep shows as charts: the curves of the trials that survived, with their spread over seeds, and for each key
the score over its values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitbench.comparing.recipes import SEED
from vitbench.sweeps.history import History, Trial
from vitbench.sweeps.space import Categorical, Dimension, Scalar

Floats = NDArray[np.float64]
_MANY_TIMES = 30.0
"""Numbers of which the greatest is so many times the least are drawn on a logarithmic axis."""


@dataclass(frozen=True, eq=False)
class TrialCurve:
    """The judged scalar of one trial at the steps that all of its seeds have measured: mean, least and greatest."""

    trial: Trial
    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: int


@dataclass(frozen=True, eq=False)
class Slice:
    """The scores of all trials over the values of one key.

    `x` [n] holds the values of a key of numbers; of another key their places from 1, named by `names`. `levels` are
    the values that several trials have, with the mean score of each.
    """

    key: str
    x: Floats
    scores: Floats
    levels: tuple[Floats, Floats]
    names: tuple[str, ...]
    is_log: bool


def survivors(history: History, most: int = 8) -> list[TrialCurve]:
    """The curves of the best trials that were not stopped early, the best first; of their seeds together."""
    found = []
    for trial in history.leaderboard():
        curve = _curve(trial)
        if curve is not None and not any(attempt.stopped_at is not None for attempt in trial.attempts.values()):
            found.append(curve)
        if len(found) == most:
            break
    return found


def slices(history: History) -> list[Slice]:
    """A slice for each key of the space but the seed, in its order; none with fewer than two scored trials."""
    board = history.leaderboard()
    if len(board) < 2:
        return []
    scores = np.array([trial.score(history.goal) for trial in board], dtype=np.float64)
    return [_slice(key, one, board, scores) for key, one in history.plan.space.items() if key != SEED]


def _curve(trial: Trial) -> TrialCurve | None:
    measured = [attempt.curve for attempt in trial.attempts.values() if len(attempt.curve[0])]
    if not measured:
        return None
    steps = measured[0][0]
    for other, _ in measured[1:]:
        steps = np.intersect1d(steps, other)
    steps = np.unique(steps)
    if not len(steps):
        return None
    # Of a step that was measured twice, after a resume, the last value counts.
    values = np.array(
        [[dict(zip(own.tolist(), y.tolist(), strict=True))[step] for step in steps] for own, y in measured]
    )
    return TrialCurve(
        trial, steps.astype(np.float64), values.mean(axis=0), values.min(axis=0), values.max(axis=0), len(measured)
    )


def _slice(key: str, one: Dimension, board: Sequence[Trial], scores: Floats) -> Slice:
    values = [trial.values.get(key) for trial in board]
    known = np.array([value is not None for value in values])
    present = [value for value in values if value is not None]
    names: tuple[str, ...] = ()
    if all(_is_number(value) for value in present):
        x = np.array(present, dtype=np.float64)
    else:
        order = [*map(str, one.values)] if isinstance(one, Categorical) else []
        names = tuple(dict.fromkeys([*order, *map(str, present)]))
        x = np.array([names.index(str(value)) + 1 for value in present], dtype=np.float64)
    own = scores[known]
    places, counts = np.unique(x, return_counts=True)
    repeated = places[counts > 1]
    means = np.array([own[x == place].mean() for place in repeated])
    is_log = not names and len(x) > 0 and float(x.min()) > 0 and float(x.max() / x.min()) >= _MANY_TIMES
    return Slice(key, x, own, (repeated, means), names, is_log)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
