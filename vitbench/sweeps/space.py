"""The values that a sweep tries: lists and ranges over recipe keys; a grid of them, or seeded draws."""

import itertools
import math
import random
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Scalar = bool | int | float | str
Values = dict[str, Scalar]
"""One point of the space: a value for each recipe key."""


class Categorical(BaseModel):
    """A list of values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Annotated[tuple[Scalar, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _are_different(self) -> "Categorical":
        if len(set(map(repr, self.values))) < len(self.values):
            raise ValueError("a value is given twice")
        return self

    def levels(self, points: int) -> list[Scalar]:
        """All values, in their order."""
        return list(self.values)

    def draw(self, generator: random.Random) -> Scalar:
        """One value, each equally likely."""
        return generator.choice(self.values)


class Range(BaseModel):
    """Numbers from `low` to `high`, both included; whole numbers where both are, unless `scale` is log and not `whole`.

    `points` is how many of them a grid takes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False
    points: Annotated[int, Field(ge=1, le=1000)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low = {self.low:g} must be above 0 where scale is log")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise ValueError("low and high must be whole numbers where whole = true")
        return self

    def levels(self, points: int) -> list[Scalar]:
        """`points` numbers at equal distances on the scale, both ends among them; fewer where whole ones coincide."""
        count = self.points or points
        shares = [number / (count - 1) for number in range(count)] if count > 1 else [0.5]
        return list(dict.fromkeys(self.at(share) for share in shares))

    def draw(self, generator: random.Random) -> Scalar:
        """One number, uniform on the scale."""
        if self.whole and self.scale == "linear":
            return generator.randint(int(self.low), int(self.high))
        return self.at(generator.random())

    def at(self, share: float) -> Scalar:
        """The number at a share of the way from low to high on the scale, rounded to 6 digits."""
        if self.scale == "log":
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else float(f"{value:.6g}")


def _kind(value: object) -> str:
    """A table with values is a choice, any other a range, so that a mistake is told of the right one."""
    return "choice" if isinstance(value, Categorical) or (isinstance(value, Mapping) and "values" in value) else "range"


Dimension = Annotated[Annotated[Categorical, Tag("choice")] | Annotated[Range, Tag("range")], Discriminator(_kind)]
Space = dict[str, Dimension]


def dimension(value: object) -> dict[str, Any]:
    """A dimension as a sweep file writes it, a list or a table of a range, as what pydantic reads."""
    if isinstance(value, list):
        return {"values": value}
    if isinstance(value, Mapping):
        return dict(value)
    return {"values": [value]}


def grid(space: Space, points: int) -> list[Values]:
    """Every combination; the last key changes fastest."""
    levels = [one.levels(points) for one in space.values()]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*levels)]


def grid_size(space: Space, points: int) -> int:
    """How many combinations there are, without making them."""
    return math.prod(len(one.levels(points)) for one in space.values())


def drawn(space: Space, seed: int, number: int) -> Values:
    """The random trial of this number: f(seed, number), whatever was drawn before."""
    generator = random.Random(f"{seed}/{number}")
    return {key: one.draw(generator) for key, one in space.items()}
