"""What a sweep has done so far, read from the run folders, which are the only truth."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitbench.comparing.recipes import SEED
from vitbench.comparing.scores import At, read_scalars, smaller_is_better
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import RECORD, read_bytes
from vitbench.runs.events import Series
from vitbench.runs.states import ENDED, State
from vitbench.runs.store import Run, Store
from vitbench.sweeps.plan import Plan, describe
from vitbench.sweeps.space import Scalar

FILE = "sweep.json"
"""In the folder of each run of a sweep; written with the run, before anybody can see it."""
STOPPED = "sweep-stopped.json"
"""In the folder of a run that its sweep has stopped: at which share of the run it was judged."""


class Membership(BaseModel):
    """Which run of which sweep a run is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sweep: str
    trial: Annotated[int, Field(ge=0)]
    repeat: Annotated[int, Field(ge=0)] = 0
    values: dict[str, Scalar]


@dataclass(frozen=True)
class Attempt:
    """One run of a trial, as it stands. `curve` is the judged scalar: steps and values, finite ones only."""

    run: Run
    membership: Membership
    state: State
    step: int
    total_steps: int
    curve: tuple[np.ndarray, np.ndarray]
    stopped_at: float | None
    """The share of the run after which the sweep stopped it; what it did beyond that counts for nothing."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it by itself. A crash is no end: the sweep resumes it."""
        return self.state in ENDED and self.state != "crashed"

    def best_until(self, share: float, goal: str) -> float | None:
        """The best value within the first `share` of the run; None if nothing was measured there."""
        steps, values = self.curve
        within = values[steps <= share * self.total_steps] if self.total_steps else values[:0]
        if not len(within):
            return None
        return float(within.min() if goal == "min" else within.max())

    def reached(self, share: float) -> bool:
        """Whether it has been trained for that share of its steps."""
        measured = int(self.curve[0][-1]) if len(self.curve[0]) else 0
        return self.total_steps > 0 and max(self.step, measured) >= share * self.total_steps

    def best(self, goal: str) -> At | None:
        """The best value that counts, and its step."""
        steps, values = self.curve
        if self.stopped_at is not None:
            counts = steps <= self.stopped_at * self.total_steps
            steps, values = steps[counts], values[counts]
        if not len(values):
            return None
        place = int(values.argmin() if goal == "min" else values.argmax())
        return At(float(values[place]), int(steps[place]))


@dataclass
class Trial:
    """One point of the space with its repeats."""

    number: int
    values: dict[str, Scalar]
    attempts: dict[int, Attempt] = field(default_factory=dict)
    seeds: tuple[Scalar, ...] = ()
    """Of trials that differ by `train.seed` alone, as one: what each had there."""

    @property
    def words(self) -> str:
        """Its values in few digits: `optim.lr=0.001 train.seed=1,2,3`."""
        return self._with_seeds(describe(self.values))

    @property
    def exact_words(self) -> str:
        """Its values as `--set` takes them."""
        return self._with_seeds(" ".join(f"{key}={json.dumps(value)}" for key, value in self.values.items()))

    def _with_seeds(self, words: str) -> str:
        seeds = f"{SEED}={','.join(map(str, self.seeds))}" if self.seeds else ""
        return f"{words} {seeds}".strip()

    def scores(self, goal: str) -> list[float]:
        """The best value of each repeat that has one."""
        return [best.value for attempt in self.attempts.values() if (best := attempt.best(goal)) is not None]

    def score(self, goal: str) -> float | None:
        """The mean over the repeats; None where nothing was measured."""
        scores = self.scores(goal)
        return math.fsum(scores) / len(scores) if scores else None

    def is_complete(self, repeats: int) -> bool:
        """Whether all of its runs have ended."""
        runs = repeats * max(1, len(self.seeds))
        return len(self.attempts) == runs and all(attempt.has_ended for attempt in self.attempts.values())


def membership_of(run: Run) -> Membership | None:
    """Which run of a sweep this is; None for any other run, or where the file is damaged."""
    try:
        return Membership.model_validate_json(read_bytes(run.folder / FILE, RECORD))
    except (OSError, ValidationError, ValueError):
        return None


def metric_of(plan: Plan, scalars: Iterable[Mapping[str, Series]]) -> str:
    """The judged scalar: the plan's, else the one of the validation split that the task monitors."""
    if plan.metric:
        return plan.metric
    if plan.recipe.get("task") == "caption":
        known = set().union(*(of_run.keys() for of_run in scalars))
        wanted = ("validation/exact_match", "validation/cider", "validation/bleu4")
        return next((tag for tag in wanted if tag in known), wanted[-1])
    if plan.recipe.get("task") == "multilabel":
        return "validation/mean_average_precision"
    monitor = plan.recipe.get("train", {}).get("monitor", "accuracy")
    return f"validation/{monitor}"


def goal_of(plan: Plan, metric: str) -> str:
    """`max` or `min`: the plan's, else what the name of the scalar tells."""
    return plan.goal or ("min" if smaller_is_better(metric) else "max")


@dataclass(frozen=True)
class History:
    """All trials of a sweep, by number, with the scalar by which they are judged."""

    plan: Plan
    metric: str
    goal: str
    trials: dict[int, Trial]
    doubles: tuple[str, ...]
    """Ids of runs that say they are a run which is there already, as a copied folder does; they are left out."""

    def settings(self) -> list[Trial]:
        """The trials in their order. Of a space with `train.seed`, those that differ by it alone are one, with the
        number of the first: seeds are repeats, however they were asked for."""
        if SEED not in self.plan.space:
            return [trial for _, trial in sorted(self.trials.items())]
        found: dict[str, list[Trial]] = {}
        for _, trial in sorted(self.trials.items()):
            others = {key: value for key, value in trial.values.items() if key != SEED}
            found.setdefault(json.dumps(others, sort_keys=True), []).append(trial)
        return [_together(trials) for trials in found.values()]

    def leaderboard(self) -> list[Trial]:
        """The trials with a score, the best first; those that differ by `train.seed` alone are one."""
        scored = [(trial.score(self.goal), trial) for trial in self.settings()]
        known = [(value, trial) for value, trial in scored if value is not None]
        sign = 1 if self.goal == "min" else -1
        return [trial for _, trial in sorted(known, key=lambda row: (sign * row[0], row[1].number))]

    def ties(self) -> str:
        """How many trials share the best score, as words; empty where one of them stands alone."""
        scores = [trial.score(self.goal) for trial in self.leaderboard()]
        equal = scores.count(scores[0]) if scores else 0
        return f"{equal} trials share the best score" if equal > 1 else ""


def read_history(store: Store, sweep: str, plan: Plan) -> History:
    """What the runs of a sweep have done."""
    found: dict[tuple[int, int], tuple[Run, Membership, dict[str, Series]]] = {}
    doubles = []
    for run in store.runs():
        membership = membership_of(run)
        if membership is None or membership.sweep != sweep:
            continue
        place = (membership.trial, membership.repeat)
        if place in found:
            doubles.append(run.id)
        else:
            found[place] = (run, membership, read_scalars(run))
    metric = metric_of(plan, [scalars for _, _, scalars in found.values()])
    trials: dict[int, Trial] = {}
    for (number, repeat), (run, membership, scalars) in sorted(found.items()):
        trial = trials.setdefault(number, Trial(number, membership.values))
        status = run.status()
        trial.attempts[repeat] = Attempt(
            run=run,
            membership=membership,
            state=status.state,
            step=status.step,
            total_steps=status.total_steps,
            curve=_curve(scalars.get(metric)),
            stopped_at=_stopped_at(run),
        )
    return History(plan, metric, goal_of(plan, metric), trials, tuple(doubles))


def _together(trials: Sequence[Trial]) -> Trial:
    """Trials that differ by their seed as one trial with all of their runs."""
    attempts = [attempt for trial in trials for _, attempt in sorted(trial.attempts.items())]
    values = {key: value for key, value in trials[0].values.items() if key != SEED}
    seeds = tuple(trial.values[SEED] for trial in trials if SEED in trial.values)
    return Trial(trials[0].number, values, dict(enumerate(attempts)), seeds)


def _curve(series: Series | None) -> tuple[np.ndarray, np.ndarray]:
    if series is None:
        return np.empty(0, dtype=np.int64), np.empty(0)
    finite = np.isfinite(series.values)
    return series.steps[finite], series.values[finite]


def _stopped_at(run: Run) -> float | None:
    try:
        return float(read_json_object(run.folder / STOPPED)["share"])
    except (UserError, KeyError, TypeError, ValueError):
        return None
