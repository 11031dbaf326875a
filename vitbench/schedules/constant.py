"""No fall at all."""

from vitbench.recipe_tables import ScheduleTable
from vitbench.schedules.base import Schedule


def _height(schedule: ScheduleTable, after: float, length: float) -> float:
    return 1.0


SCHEDULE = Schedule("constant", "1 throughout", _height, order=30)
