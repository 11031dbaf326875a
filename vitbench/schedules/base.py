"""What a schedule is: a name, and the height of its curve as plain arithmetic."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitbench.recipe_tables import ScheduleTable


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls. Each is one file of `vitbench/schedules/`, or an entry point `vitbench.schedules`
    of a package.

    `height(table, after, length)` is the height of the curve, 1 at its peak and 0 at `schedule.min_lr`, `after` the
    warm-up of what takes `length` altogether (steps, or epochs where the recipe says so); both may be 0, and `after`
    may lie beyond. It is plain arithmetic: the app draws it, and a run that resumes needs only its step.
    """

    name: str
    summary: str
    height: "Callable[[ScheduleTable, float, float], float]"
    order: int = 1000
    """Where it stands in lists."""


def progress(after: float, length: float) -> float:
    """From 0 to 1 over what follows the warm-up."""
    return min(1.0, after / length) if length > 0 else 1.0
