"""Why a run is as slow as it is: where the time of its steps goes, and what would make it faster, in a sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vitbench.recipe import Recipe
from vitbench.runs.events import Series

PARTS = {
    "data": "waiting for data",
    "forward": "forward",
    "backward": "backward",
    "update": "optimizer",
    "evaluation": "evaluations",
    "checkpoint": "checkpoints",
}
_STEP_PARTS = ("data", "forward", "backward", "update")
_RECENT = 50
"""Measurements from the end that count: the first steps compile and warm up."""
_MUCH = 0.15


@dataclass(frozen=True)
class Anatomy:
    """`step_ms` is a whole step; `shares` are of the run's time, by the names of PARTS, and add up to 1."""

    step_ms: float
    shares: dict[str, float]
    sentence: str

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def words(self) -> str:
        """The shares, the greatest first."""
        ordered = sorted(self.shares.items(), key=lambda row: -row[1])
        return ", ".join(f"{PARTS[name]} {100 * share:.0f}%" for name, share in ordered if share >= 0.005)


def anatomy(scalars: Mapping[str, Series], recipe: Recipe, *, on_gpu: bool) -> Anatomy | None:
    """From what a worker has logged; None before it has measured a step. The first steps of a run do not count."""
    parts = {part: _recent(scalars.get(f"time/{part}_ms")) for part in _STEP_PARTS}
    if any(value is None for value in parts.values()):
        return None
    per_step = {part: float(value or 0.0) for part, value in parts.items()}
    step = sum(per_step.values())
    if step <= 0:
        return None
    seconds = dict(per_step)
    for part in ("evaluation", "checkpoint"):
        seconds[part] = 1000 * _between(scalars.get(f"time/{part}_seconds"))
    total = sum(seconds.values())
    shares = {part: value / total for part, value in seconds.items()}
    return Anatomy(step, shares, _sentence(shares, step, recipe, on_gpu))


def _recent(series: Series | None) -> float | None:
    """The median of the last measurements, the first one aside."""
    if series is None or not len(series):
        return None
    values = series.values[-_RECENT:] if len(series) > 1 else series.values
    values = values[1:] if len(series) <= _RECENT and len(series) > 2 else values
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _between(series: Series | None) -> float:
    """Seconds of the work that is done now and then, a step: its median over the steps between two times."""
    if series is None or len(series) < 1:
        return 0.0
    steps = np.unique(series.steps)
    apart = float(np.median(np.diff(steps))) if len(steps) > 1 else float(max(steps[0], 1))
    return float(np.median(series.values)) / max(apart, 1.0)


def _sentence(shares: Mapping[str, float], step_ms: float, recipe: Recipe, on_gpu: bool) -> str:
    """Cause and remedy of the greatest loss; that nothing is lost, where nothing is."""
    computing = shares["forward"] + shares["backward"] + shares["update"]
    if shares["data"] >= _MUCH and shares["data"] >= shares["evaluation"]:
        return f"It waits for data {100 * shares['data']:.0f}% of the time: {_faster_data(recipe)}."
    if shares["evaluation"] >= _MUCH:
        every = recipe.train.evaluate_every
        return (
            f"Evaluations take {100 * shares['evaluation']:.0f}% of the time: a larger train.evaluate_every"
            f" (now {every}) evaluates less often."
        )
    if shares["checkpoint"] >= _MUCH:
        return (
            f"Checkpoints take {100 * shares['checkpoint']:.0f}% of the time: a larger train.checkpoint_every"
            " saves less often; or the store is on a slow disk."
        )
    if on_gpu and recipe.train.amp == "none":
        return 'It computes in float32: train.amp = "bf16" is several times faster on a GPU of 2020 or later.'
    if on_gpu and step_ms < 20 * recipe.train.accumulate:
        return (
            f"Steps are short ({step_ms:.0f} ms): a larger train.batch_size, or train.compile = true,"
            " gives the GPU more to do at a time."
        )
    if on_gpu and not recipe.train.compile:
        return f"The GPU computes {100 * computing:.0f}% of the time; train.compile = true may make its steps shorter."
    if not on_gpu:
        return (
            f"The network computes {100 * computing:.0f}% of the time, on the CPU: a smaller model.image_size"
            " or network is faster, or a GPU."
        )
    return f"The GPU computes {100 * computing:.0f}% of the time: nothing is waited for."


def _faster_data(recipe: Recipe) -> str:
    ways = [f"more data.workers (now {recipe.data.workers})"]
    if not recipe.data.cache:
        ways.append("data.cache = true, which decodes each picture once")
    if recipe.data.augment not in ("none", "flip", "crop-flip"):
        ways.append(f'a cheaper data.augment than "{recipe.data.augment}"')
    return ", or ".join(ways)
