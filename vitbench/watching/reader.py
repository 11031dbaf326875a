"""The scalars of a log, read on as they grow. Nothing is ever written beside them.

A training that was resumed is one line: where a later file begins at an earlier step, what was measured from that step
on before is left out, as the tool itself did it again. Two files that were written at the same time stay as they are.
"""

from dataclasses import dataclass, field
from pathlib import Path

from vitbench.runs.events import EventReader, Series
from vitbench.runs.records import Batch
from vitbench.watching.folders import Log, LogFolder, live_event_files


@dataclass
class _FolderReader(EventReader):
    """All event files of one folder, also those whose names TensorBoard did not choose."""

    resumed: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """Of each file that goes back behind the ones before: the step from which it goes on, and the points left out."""
    _begun: set[tuple[Path, str]] = field(default_factory=set)

    def listed(self) -> list[Path]:
        return live_event_files(self.folder)

    def forget(self) -> None:
        super().forget()
        self.resumed, self._begun = {}, set()

    def _add(self, batch: Batch, first: int, end: int) -> None:
        for tag, points in batch.points.items():
            part = points.between(first, end)
            if not len(part.steps) or (self.current, tag) in self._begun:
                continue
            self._begun.add((self.current, tag))
            known = self.series.get(tag)
            if known is None or not len(known):
                continue
            step = int(part.steps[0])
            if step <= int(known.steps[-1]) and part.wall_times[0] >= known.wall_times.max():
                before = len(known)
                known.cut_from(step)
                least, gone = self.resumed.get(self.current, (step, 0))
                self.resumed[self.current] = (min(least, step), gone + before - len(known))
        super()._add(batch, first, end)


class LogReader:
    """A log's scalars by tag, and what is to be said of them."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.series: dict[str, Series] = {}
        self._readers = {part: _FolderReader(part.folder) for part in log.parts}

    @property
    def problems(self) -> list[str]:
        """A sentence for each damage and each resumption."""
        said = []
        for part, reader in self._readers.items():
            said += [f"{part.prefix}{problem}" for problem in reader.problems]
            for file, (step, gone) in reader.resumed.items():
                points = "1 point" if gone == 1 else f"{gone:,} points"
                said.append(f"{file.name} goes on from step {step:,}: {points} of the files before are left out.")
        return said

    def read(self) -> bool:
        """Reads what is new; whether there was anything."""
        new = False
        for reader in self._readers.values():
            new |= reader.read()
        if new:
            self.series = {}
            for part, reader in self._readers.items():
                for tag, series in reader.series.items():
                    name = _tag(part, tag)
                    self.series[f"{part.folder.name}:{tag}" if name in self.series else name] = series
        return new


def _tag(part: LogFolder, tag: str) -> str:
    return f"{part.prefix}{tag}/{part.line}" if part.line and tag == part.tag else f"{part.prefix}{tag}"
