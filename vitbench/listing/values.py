"""What of a row can be named: in a filter, as a column, to sort by.

`accuracy`       a field of the row; `score` is the accuracy, or what a task has in the place of one
`best`           the best value of the scalar by which the run is judged
`optim.lr`       a key of its recipe
`validation/loss`, `best:validation/loss`, `last:validation/loss`   the best or the last value of any scalar
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitbench.comparing.scores import At
from vitbench.listing.recipe_keys import known_keys
from vitbench.listing.rows import RunRow

TEXT_FIELDS: Mapping[str, Callable[[RunRow], str]] = {
    "state": lambda run: run.state,
    "name": lambda run: run.title,
    "id": lambda run: run.id,
    "model": lambda run: run.model,
    "data": lambda run: run.data,
    "preset": lambda run: run.preset,
    "task": lambda run: run.task,
    "gpu": lambda run: f"{run.device} {run.gpus}",
    "error": lambda run: run.error,
    "tag": lambda run: " ".join(f"#{tag}" for tag in run.tags),
    "archived": lambda run: "yes" if run.archived else "no",
    "judged": lambda run: run.best_metric,
}
NUMBER_FIELDS: Mapping[str, Callable[[RunRow], float | None]] = {
    "accuracy": lambda run: run.accuracy,
    "score": lambda run: run.score,
    "loss": lambda run: run.loss,
    "best": lambda run: run.best_value,
    "best_step": lambda run: None if run.best_value is None else float(run.best_step),
    "epoch": lambda run: run.epoch,
    "epochs": lambda run: run.epochs,
    "step": lambda run: float(run.step),
    "rate": lambda run: run.rate,
    "eta": lambda run: run.eta_seconds,
    "age": lambda run: run.age(),
    "progress": lambda run: run.progress,
}
SHORT = {"acc": "accuracy", "s": "state", "m": "model", "d": "data", "steps": "step", "device": "gpu"}


@dataclass(frozen=True)
class Metric:
    """The `best` or the `last` value of a scalar."""

    tag: str
    which: str = "best"

    def at(self, row: RunRow) -> At | None:
        """The value with its step; None where it was not measured, or is not read yet."""
        score = row.scores.get(self.tag)
        return None if score is None else score.best if self.which == "best" else score.last


def metric_of(name: str) -> Metric | None:
    """The scalar that a name means, None for a name that means something else."""
    which, colon, tag = name.partition(":")
    if colon and which in ("best", "last") and tag:
        return Metric(tag, which)
    return Metric(name) if "/" in name and not colon else None


def is_recipe_key(name: str) -> bool:
    """Whether a name is a key of recipes, or one that a table such as `model.options` may hold."""
    return name in known_keys() or (
        "." in name and name.partition(".")[0] in {key.partition(".")[0] for key in known_keys()}
    )


def value_of(row: RunRow, name: str) -> Any:
    """The value that a name has in a row; None where there is none, and for what is not a number."""
    name = SHORT.get(name.lower(), name)
    if name in NUMBER_FIELDS:
        return _finite(NUMBER_FIELDS[name](row))
    if name in TEXT_FIELDS:
        return TEXT_FIELDS[name](row)
    if (metric := metric_of(name)) is not None:
        at = metric.at(row)
        return None if at is None else _finite(at.value)
    return row.keys.get(name)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def order_of(value: object) -> tuple[int, float, str] | None:
    """By what a value is sorted: numbers before words; None for what is not there, which always comes last."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return (0, float(value), "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value).lower())
