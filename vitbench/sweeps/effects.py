"""What each key contributed: the mean score at each of its levels, over all trials that had it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitbench.comparing.recipes import SEED
from vitbench.statistics import Estimate, bootstrap_counts, percentile_interval
from vitbench.sweeps.history import History
from vitbench.sweeps.space import Categorical, Dimension, Range, Scalar

_BINS = 3


@dataclass(frozen=True)
class Level:
    """One value of a key, or a third of a range; the mean score of its trials with a 95% interval, and how many."""

    title: str
    trials: int
    score: Estimate


@dataclass(frozen=True)
class Effect:
    """One key: its levels in their order, and the share of the variance of all scores that lies between them (eta
    squared, 0 to 1). With few trials a share is large by chance."""

    key: str
    share: float
    levels: tuple[Level, ...]


def effects(history: History, seed: int = 0) -> list[Effect]:
    """The keys by their share of the variance, the largest first. Empty with fewer than two scored trials.

    `train.seed` is left out: what lies between seeds is chance.
    """
    board = history.leaderboard()
    if len(board) < 2:
        return []
    scores = np.array([trial.score(history.goal) for trial in board], dtype=float)
    found = []
    for key, one in history.plan.space.items():
        if key == SEED:
            continue
        titles = [_level(one, trial.values.get(key)) for trial in board]
        order = [title for title in _titles(one) if title in titles]
        order += sorted(set(titles) - set(order))  # of a space that was another one before
        found.append(_effect(key, scores, titles, order, seed))
    return sorted(found, key=lambda effect: -effect.share)


def _effect(key: str, scores: np.ndarray, titles: Sequence[str], order: Sequence[str], seed: int) -> Effect:
    of_level = {title: scores[[one == title for one in titles]] for title in order}
    total = float(((scores - scores.mean()) ** 2).sum())
    between = sum(len(values) * float(values.mean() - scores.mean()) ** 2 for values in of_level.values())
    levels = []
    for title, values in of_level.items():
        times = bootstrap_counts(len(values), seed=seed)
        levels.append(
            Level(title, len(values), percentile_interval(float(values.mean()), times @ values / len(values)))
        )
    return Effect(key, between / total if total > 0 else 0.0, tuple(levels))


def _titles(one: Dimension) -> list[str]:
    if isinstance(one, Categorical):
        return [_short(value) for value in one.values]
    return [_bin(one, number) for number in range(_BINS)]


def _level(one: Dimension, value: Scalar | None) -> str:
    if isinstance(one, Range) and isinstance(value, int | float):
        cuts = [float(one.at(number / _BINS)) for number in range(1, _BINS)]
        return _bin(one, int(np.searchsorted(cuts, float(value), side="right")))
    return _short(value)


def _bin(one: Range, number: int) -> str:
    return f"{_short(one.at(number / _BINS))} to {_short(one.at((number + 1) / _BINS))}"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
