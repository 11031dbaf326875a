"""What a sweep will be, before it starts: how many trials and runs, and how long they may take."""

import os
from dataclasses import dataclass

from vitbench.progress import duration
from vitbench.rough_time import rough_seconds
from vitbench.sweeps.plan import Plan
from vitbench.sweeps.space import Values, drawn, grid

_MOST_LOOKED_AT = 200
"""Trials of which the time is computed; of more, these stand for all."""


@dataclass(frozen=True)
class Outlook:
    """`seconds` for all runs, the one way or the other; None where nothing is known. `basis` says where from."""

    trials: int
    runs: int
    parallel: int
    seconds: float | None
    basis: str
    stopping: bool

    @property
    def sentence(self) -> str:
        """In words: `9 trials, 2 seeds each: 18 runs, 2 at a time; about 3 h ...`."""
        seeds = self.runs // self.trials
        each = f", {seeds} seeds each: {self.runs:,} runs" if seeds > 1 else ""
        at_once = f", {self.parallel} at a time" if self.parallel > 1 else ", one at a time"
        words = f"{self.trials:,} {'trial' if self.trials == 1 else 'trials'}{each}{at_once}"
        if self.seconds is None:
            return f"{words}; how long it takes is not known before it is measured."
        bound = "at most about" if self.stopping else "about"
        return f"{words}; {bound} {duration(self.seconds)} in all ({self.basis})."


def outlook(plan: Plan, pictures: int, measured: float | None = None, device: str = "") -> Outlook:
    """`pictures` is how many the data have (0: not known). `measured` is the time in seconds of one run of the plan's
    own recipe on `device`; without it the time is that of this machine's CPU, roughly, which runs share."""
    count = plan.trial_count
    points = _points(plan)
    runs = count * plan.repeats
    cores = len(os.sched_getaffinity(0))
    rough = [rough_seconds(plan.recipe_of(point, 0), pictures) for point in points] if pictures else []
    known = [seconds for seconds in rough if seconds is not None]
    seconds, basis = None, ""
    if measured is not None:
        epochs = plan.recipe_of({}, 0).train.epochs
        own = rough_seconds(plan.recipe_of({}, 0), pictures) if pictures else None
        if own and len(known) == len(points):
            share = sum(known) / len(points) / own
        else:
            share = sum(plan.recipe_of(point, 0).train.epochs for point in points) / len(points) / epochs
        at_once = 1 if device == "cpu" else min(plan.parallel, runs)  # runs on a CPU share its cores
        seconds, basis = measured * share * runs / at_once, "from a few measured steps"
    elif known and len(known) == len(points):
        seconds = sum(known) / len(points) * runs
        basis = f"roughly, on the {cores} cores of this CPU"
    return Outlook(count, runs, plan.parallel, seconds, basis, plan.stopping.rule != "none")


def _points(plan: Plan) -> list[Values]:
    """The first trials; of TPE, draws from its space."""
    if plan.method == "grid":
        return grid(plan.space, plan.points)[: min(plan.trial_count, _MOST_LOOKED_AT)]
    return [drawn(plan.space, plan.seed, number) for number in range(min(plan.trial_count, _MOST_LOOKED_AT))]
