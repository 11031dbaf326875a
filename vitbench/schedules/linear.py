"""A straight line down."""

from vitbench.recipe_tables import ScheduleTable
from vitbench.schedules.base import Schedule, progress


def _height(schedule: ScheduleTable, after: float, length: float) -> float:
    return 1 - progress(after, length)


SCHEDULE = Schedule("linear", "1 - progress", _height, order=20)
