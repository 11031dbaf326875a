"""Which runs are losing. A decision depends only on runs that had ended before the run was started, so it is the same
whenever it is taken, and after any kill."""

import math
import statistics
from collections.abc import Sequence

from vitbench.sweeps.history import Attempt
from vitbench.sweeps.plan import Stopping


def rungs(stopping: Stopping) -> list[float]:
    """The shares of a run at which it is judged: one for `median`; for `halving` each `keep` times the one before."""
    if stopping.rule == "none":
        return []
    if stopping.rule == "median":
        return [stopping.after]
    count = math.ceil(math.log(1 / stopping.after) / math.log(stopping.keep))
    shares = [stopping.after * stopping.keep**number for number in range(count)]
    return [share for share in shares if share < 1]


def loses_at(attempt: Attempt, before: Sequence[Attempt], stopping: Stopping, goal: str) -> float | None:
    """The first share at which a running run is losing; None if at none that it has reached.

    `before` are the runs that had ended when it started. `median` (Golovin et al. 2017): its best value is worse than
    the median of theirs at the same share. `halving` (Li et al. 2020, without promotion): it is not among the best
    1 / keep of them and itself.
    """
    for share in rungs(stopping):
        if not attempt.reached(share):
            return None
        own = attempt.best_until(share, goal)
        others = [value for one in before if one.reached(share) and (value := one.best_until(share, goal)) is not None]
        if own is not None and _loses(own, others, stopping, goal):
            return share
    return None


def _loses(own: float, others: Sequence[float], stopping: Stopping, goal: str) -> bool:
    sign = -1 if goal == "min" else 1
    better = sum(sign * other > sign * own for other in others)
    if stopping.rule == "median":
        return len(others) >= stopping.at_least and sign * own < sign * statistics.median(others)
    return better >= max(1, (len(others) + 1) // stopping.keep)
