"""A comparison of runs as one value: for the command, for JSON, and for the screen."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitbench.comparing.paired import Paired, holm, pair
from vitbench.comparing.recipes import differing, groups_by_seed
from vitbench.comparing.rows import Shared, shared_answers
from vitbench.comparing.scores import Score, Spread, default_tags, read_scalars, score, spread
from vitbench.errors import UserError
from vitbench.runs.store import Run


@dataclass(frozen=True)
class Test:
    """One pair of runs, by their numbers in the comparison. `corrected` is Holm's p-value among all pairs."""

    first: int
    second: int
    paired: Paired
    corrected: float


@dataclass(frozen=True)
class Comparison:
    """`names` are the runs' names, made different where two are the same; everything else is in their order."""

    runs: tuple[Run, ...]
    names: tuple[str, ...]
    differences: dict[str, list[object]]
    """Recipe keys that differ, with the value of each run."""
    scores: dict[str, list[Score]]
    """Scalars by tag."""
    groups: list[list[int]]
    """Runs that differ by their seed alone."""
    spreads: dict[str, list[Spread | None]]
    """For each scalar, its best values in each group."""
    shared: Shared | None
    tests: list[Test]
    not_tested: str
    """Why there is no paired test, else empty."""

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "runs": [{"id": run.id, "name": name} for run, name in zip(self.runs, self.names, strict=True)],
            "recipe": self.differences,
            "scores": {tag: [asdict(of_run) for of_run in scores] for tag, scores in self.scores.items()},
            "groups": [[self.runs[number].id for number in group] for group in self.groups],
            "spreads": {
                tag: [None if one is None else asdict(one) for one in spreads] for tag, spreads in self.spreads.items()
            },
            "split": None if self.shared is None else self.shared.split,
            "pictures": None if self.shared is None else len(self.shared.files),
            "left_out": None if self.shared is None else self.shared.left_out,
            "tests": [self._test_document(test) for test in self.tests],
            "not_tested": self.not_tested or None,
        }

    def _test_document(self, test: Test) -> dict[str, object]:
        low, high = test.paired.interval
        return {
            "first": self.runs[test.first].id,
            "second": self.runs[test.second].id,
            **asdict(test.paired),
            "neither": test.paired.neither,
            "difference": test.paired.difference,
            "difference_interval_95": [low, high],
            "p_value": test.paired.p_value,
            "p_value_holm": test.corrected,
            "sentence": test.paired.sentence(self.names[test.first], self.names[test.second]),
        }


def compare(runs: Sequence[Run], tags: Sequence[str] = (), split: str = "") -> Comparison:
    """The runs beside each other. Raises UserError for a scalar that none has, and for fewer than two runs.

    With `split`, that a run has no evaluation of it is an error; without, it is said in `not_tested`.
    """
    if len(runs) < 2:
        raise UserError("A comparison needs two runs or more; in the list, Space marks them.")
    recipes = [run.recipe() for run in runs]
    names = _names(runs)
    scalars = [read_scalars(run) for run in runs]
    for tag in tags:
        if not any(tag in of_run for of_run in scalars):
            known = ", ".join(default_tags(scalars)) or "none yet"
            raise UserError(f"None of the runs has a scalar {tag!r}; among those they have are: {known}.")
    scores = {tag: [score(of_run.get(tag), tag) for of_run in scalars] for tag in tags or default_tags(scalars)}
    number_of = {run.id: number for number, run in enumerate(runs)}
    by_seed = groups_by_seed({run.id: recipe for run, recipe in zip(runs, recipes, strict=True)})
    groups = [[number_of[run_id] for run_id in group] for group in by_seed]
    spreads = {
        tag: [spread([best.value if (best := of_run[number].best) else None for number in group]) for group in groups]
        for tag, of_run in scores.items()
    }
    shared, not_tested = None, ""
    try:
        shared = shared_answers(runs, split)
    except UserError as error:
        if split:
            raise
        not_tested = str(error)
    tests = _tests(shared) if shared is not None else []
    return Comparison(tuple(runs), tuple(names), differing(recipes), scores, groups, spreads, shared, tests, not_tested)


def _tests(shared: Shared) -> list[Test]:
    pairs = list(itertools.combinations(range(len(shared.answers)), 2))
    paired = [pair(shared.answers[one].correct, shared.answers[two].correct) for one, two in pairs]
    corrected = holm([test.p_value for test in paired])
    return [Test(one, two, test, p) for (one, two), test, p in zip(pairs, paired, corrected, strict=True)]


def _names(runs: Sequence[Run]) -> list[str]:
    names = [run.status().name or run.id for run in runs]
    return [run.id if names.count(name) > 1 else name for run, name in zip(runs, names, strict=True)]
