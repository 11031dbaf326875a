"""Half a cosine (Loshchilov & Hutter 2017, equation 5)."""

import math

from vitbench.recipe_tables import ScheduleTable
from vitbench.schedules.base import Schedule, progress


def _height(schedule: ScheduleTable, after: float, length: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress(after, length)))


SCHEDULE = Schedule("cosine", "(1 + cos(pi progress)) / 2", _height, order=10)
