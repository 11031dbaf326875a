"""What an explanation method hands back, and what a caller receives."""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

Query = tuple[int, int]
"""A patch as (row, column), from 0."""


@dataclass(frozen=True)
class MethodResult:
    """`maps` [B, rows, columns]; what the map claims to sum to beside what it sums to, where a method promises that."""

    maps: Tensor
    logits: Tensor
    completeness_error: Tensor | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Where a network looked, or what counted for its answer.

    maps: float32 [B, rows, columns], row 0 at the top; higher is more. Of a signed method (`Method.signed`) below
    zero is evidence against the class.
    logits: float32 [B, C]. targets: int64 [B], the class that each map explains.
    completeness_error: float64 [B], |attributed sum - what it should equal| relative to the latter, or None where
    the method makes no such promise. facts: plain values that a figure records.
    """

    maps: Tensor
    logits: Tensor
    targets: Tensor
    completeness_error: Tensor | None
    facts: dict[str, Any]

    def cpu(self) -> "Explanation":
        """The same in main memory."""
        error = self.completeness_error
        return replace(
            self,
            maps=self.maps.cpu(),
            logits=self.logits.cpu(),
            targets=self.targets.cpu(),
            completeness_error=None if error is None else error.cpu(),
        )
