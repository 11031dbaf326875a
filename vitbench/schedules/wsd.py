"""Warm-up, stable, decay (Hu et al. 2024; Hägele et al. 2024, equation 1)."""

import math

from vitbench.recipe_tables import ScheduleTable
from vitbench.schedules.base import Schedule


def _height(schedule: ScheduleTable, after: float, length: float) -> float:
    decay = max(1, round(schedule.decay_fraction * length))
    into_decay = after - (length - decay)
    return 1 - math.sqrt(min(1.0, into_decay / decay)) if into_decay > 0 else 1.0


SCHEDULE = Schedule("wsd", "1, then 1 - sqrt(progress of the last decay_fraction)", _height, order=40)
