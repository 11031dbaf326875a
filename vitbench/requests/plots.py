"""Figures of numbers: curves, a confusion matrix, a learning rate. They hold what they show, so they outlive a run."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vitbench.requests.base import Figure, Request

MOST_POINTS = 2000
"""Of a series; of longer ones the least and the greatest value of each stretch are kept, which a page cannot tell."""
_DIGITS = 9

Numbers = tuple[float | None, ...]


class SeriesRequest(BaseModel):
    """A line: `x` and `y` of one length, None as a gap; `smoothed` is as long as `y`, and `y` stays as a faint line.

    Of a mean over several runs `low` and `high`, as long as `y`, are the edges of its band.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    dash: int = Field(0, ge=0)
    x: tuple[float, ...]
    y: Numbers
    smoothed: Numbers | None = None
    linked: bool = True
    """Whether a line joins the points; else each is a mark."""
    low: Numbers | None = None
    high: Numbers | None = None

    @field_validator("x", "y", "smoothed", "low", "high", mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        """Numbers without the noise of single precision, NaN and infinity as gaps."""
        return None if values is None else tuple(map(_rounded, values))

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        others = [values for values in (self.smoothed, self.low, self.high) if values is not None]
        if any(len(values) != len(self.y) for values in (self.x, *others)):
            raise ValueError(f"The series {self.name!r} has {len(self.x)} places and {len(self.y)} values.")
        return self

    def thinned(self) -> "SeriesRequest":
        """The series with at most MOST_POINTS points that look the same."""
        if len(self.y) <= MOST_POINTS:
            return self
        kept = _extremes(self.y, MOST_POINTS // 2)
        columns = {name: getattr(self, name) for name in ("x", "y", "smoothed", "low", "high")}
        thin = {name: tuple(values[place] for place in kept) for name, values in columns.items() if values is not None}
        return self.model_copy(update=thin)


class CurvesRequest(Request):
    """Series over a common axis. Ranges of None follow the data; `smoothing` is the weight of what was before."""

    kind: ClassVar[str] = "curves"

    title: str
    x_name: str = "step"
    x_names: tuple[str, ...] = ()
    """What stands at 1, 2, 3 ... of the horizontal axis, where it has names in place of numbers."""
    y_name: str = ""
    curves: tuple[SeriesRequest, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_log: bool = False
    y_log: bool = False
    smoothing: float = Field(0.0, ge=0, lt=1)
    note: str = ""
    """What is said behind the title, such as how it is smoothed."""

    @field_validator("curves")
    @classmethod
    def _short(cls, curves: tuple[SeriesRequest, ...]) -> tuple[SeriesRequest, ...]:
        return tuple(curve.thinned() for curve in curves)


class ConfusionRequest(Request):
    """A confusion matrix: `counts` are (true, predicted, pictures), classes from 0; what is not named is 0."""

    kind: ClassVar[str] = "confusion"

    classes: tuple[str, ...] = Field(min_length=1)
    counts: tuple[tuple[int, int, int], ...]
    title: str = ""
    evaluation: str = ""
    """The file that the numbers were read from, if there was one."""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        count = len(self.classes)
        for true, predicted, pictures in self.counts:
            if not (0 <= true < count and 0 <= predicted < count and pictures >= 0):
                raise ValueError(f"({true}, {predicted}, {pictures}) is not a cell of a matrix of {count} classes.")
        return self


class LearningRateRequest(Request):
    """The learning rate of a `recipe` (its values by table) over its epochs."""

    kind: ClassVar[str] = "learning rate"

    recipe: dict[str, Any]


def _rounded(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None


def _extremes(values: Sequence[float | None], stretches: int) -> list[int]:
    """The places of the least and the greatest value of each stretch, and of the first gap in it, in order."""
    kept: set[int] = {0, len(values) - 1}
    for number in range(stretches):
        start, stop = number * len(values) // stretches, (number + 1) * len(values) // stretches
        known = [(value, place) for place, value in enumerate(values[start:stop], start) if value is not None]
        if known:
            kept |= {min(known)[1], max(known)[1]}
        if len(known) < stop - start:
            kept.add(next(place for place in range(start, stop) if values[place] is None))
    return sorted(kept)


FIGURES = (
    Figure(
        "curves",
        "scalars of runs over steps, epochs or time",
        CurvesRequest,
        "vitbench.figures.curves:compose_curves",
        40,
        networks=False,
    ),
    Figure(
        "confusion",
        "which classes were predicted for which",
        ConfusionRequest,
        "vitbench.figures.confusion:compose_confusion",
        50,
        networks=False,
    ),
    Figure(
        "learning rate",
        "the learning rate of a recipe over its epochs",
        LearningRateRequest,
        "vitbench.figures.learning_rate:compose_learning_rate",
        60,
        networks=False,
    ),
)
