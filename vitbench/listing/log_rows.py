"""Other tools' logs as rows, read on while they grow."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from vitbench.comparing.scores import score
from vitbench.listing.rows import LIVE_LOG, LOG, NO_SCORES, RunRow
from vitbench.runs.events import Series
from vitbench.runs.packed import is_packed
from vitbench.watching.folders import Found, Log, event_files_of, find_logs
from vitbench.watching.reader import LogReader
from vitbench.watching.tags import loss_and_score

LIVE_FOR = 120.0
"""Seconds without a new point after which a log is no longer called live."""
_BETWEEN_SEARCHES = 5.0
"""Seconds between two searches for new folders, at least; at least ten times as long as one takes."""
SPARKLINE_POINTS = 12
"""Points of the loss curve in a row of the table."""


class LogRows:
    """The logs below some paths."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = tuple(roots)
        self.found = Found()
        self._readers: dict[str, LogReader] = {}
        self._rows: dict[str, RunRow] = {}
        self._scored: dict[str, frozenset[str]] = {}
        self._next_search = 0.0

    @property
    def tags(self) -> set[str]:
        """The scalars of all logs that were read."""
        return {tag for reader in self._readers.values() for tag in reader.series}

    @property
    def problems(self) -> list[str]:
        """What could not be looked into."""
        return self.found.problems

    def reader(self, log_id: str) -> LogReader | None:
        """The reader of a log, None for one that is not there."""
        return self._readers.get(log_id)

    def poll(self, tags: frozenset[str] = frozenset(), seconds: float = float("inf")) -> tuple[dict[str, RunRow], int]:
        """The rows in the order of their names, and how many logs are not read yet; they are left for the next time.

        `tags` are the scalars of which rows have best and last values.
        """
        end = time.monotonic() + seconds
        if self.roots and time.monotonic() >= self._next_search:
            began = time.monotonic()
            self._search()
            self._next_search = time.monotonic() + max(_BETWEEN_SEARCHES, 10 * (time.monotonic() - began))
        left = 0
        for log in self.found.logs:
            known = self._rows.get(log.id)
            if known is None and time.monotonic() > end:
                left += 1
                continue
            reader = self._readers[log.id]
            new = reader.read()
            state = _state(log)
            if new or known is None or known.state != state or not self._scored[log.id] >= tags:
                self._rows[log.id] = _row(log, reader, state, tags)
                self._scored[log.id] = tags
        return {log.id: self._rows[log.id] for log in self.found.logs if log.id in self._rows}, left

    def _search(self) -> None:
        self.found = find_logs(self.roots)
        now = {log.id: log for log in self.found.logs}
        for gone in set(self._readers) - set(now):
            del self._readers[gone]
            self._rows.pop(gone, None)
        for log in now.values():
            known = self._readers.get(log.id)
            if known is None or known.log != log:
                self._readers[log.id] = LogReader(log)
                self._rows.pop(log.id, None)


def averaged(values: np.ndarray, points: int = SPARKLINE_POINTS) -> tuple[float, ...]:
    """A curve [N] in at most `points` points, each the mean of a stretch, to two significant digits."""
    parts = np.array_split(values, min(points, len(values))) if len(values) else []
    return tuple(float(f"{np.mean(part):.2g}") for part in parts if part.size)


def _state(log: Log) -> str:
    newest = 0.0
    for part in log.parts:
        for file in event_files_of(part.folder):
            if is_packed(file):
                continue  # it does not grow, however new it is
            try:
                newest = max(newest, file.stat().st_mtime)
            except OSError:
                continue
    return LIVE_LOG if time.time() - newest < LIVE_FOR else LOG


def _row(log: Log, reader: LogReader, state: str, tags: Collection[str]) -> RunRow:
    series = {tag: one for tag, one in reader.series.items() if len(one)}
    loss, scored = loss_and_score(series)
    judged = scored or loss
    best = score(series[judged], judged).best if judged else None
    began = min((float(one.wall_times[0]) for one in series.values()), default=0.0)
    return RunRow(
        id=log.id,
        name=log.name,
        state=state,
        data=str(log.root),
        step=max((int(one.steps[-1]) for one in series.values()), default=0),
        loss=_last(series.get(loss)),
        score=_last(series.get(scored)),
        score_metric=scored,
        created_at=began,
        started_at=began or None,
        best_metric=judged if best is not None else "",
        best_value=best.value if best is not None else None,
        best_step=best.step if best is not None else 0,
        sparkline=averaged(series[loss].values) if loss else (),
        scores={tag: score(series[tag], tag) for tag in sorted(tags) if tag in series} or NO_SCORES,
        log_folder=str(log.folder),
    )


def _last(series: Series | None) -> float | None:
    return None if series is None or not len(series) else float(series.values[-1])
