"""What the screens know: immutable pictures of the store, taken by the watcher and handed over whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vitbench.listing.log_rows import SPARKLINE_POINTS
from vitbench.listing.rows import BROKEN_STATES, GROWING_STATES, LIVE_STATES, RunRow
from vitbench.runs.log import LogLine

__all__ = [
    "BROKEN_STATES",
    "GROWING_STATES",
    "LIVE_STATES",
    "SPARKLINE_POINTS",
    "Measured",
    "RunDetail",
    "RunRow",
    "Snapshot",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """One scalar of a run: `steps` int64, `values` and `wall_times` float64, all [points]."""

    steps: NDArray[np.int64]
    values: Floats
    wall_times: Floats


@dataclass(frozen=True, eq=False)
class RunDetail:
    """What is known of a run that somebody looks at."""

    row: RunRow
    scalars: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    log: tuple[LogLine, ...] = ()
    recipe: str = ""
    evaluations: tuple[str, ...] = ()
    """Names of the evaluations (`SPLIT-STEP.json`), oldest first."""
    version: int = 0
    """Rises whenever anything else here changed."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The store at one moment."""

    runs: tuple[RunRow, ...] = ()
    followed: Mapping[str, RunDetail] = field(default_factory=lambda: MappingProxyType({}))
    problem: str = ""
    """Why the store cannot be read, if it cannot."""
    left: int = 0
    """Runs that are not read yet: those of a large store come in pieces, the newest first."""
    reading: str = ""
    """What of the runs is still being read for what is shown, in a word or two."""
    scalars: frozenset[str] = frozenset()
    """Scalars that can be shown as columns."""
    running: int = 0
    logs: int = 0
    """Of the rows, those of other tools' logs."""
    log_problems: tuple[str, ...] = ()
    """What of other tools' logs cannot be looked into, a sentence each."""

    @cached_property
    def by_id(self) -> Mapping[str, RunRow]:
        """All rows by their ids."""
        return {row.id: row for row in self.runs}

    def run(self, run_id: str) -> RunRow | None:
        """The row of one run, or None when it is gone."""
        return self.by_id.get(run_id)
