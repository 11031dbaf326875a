"""The scalars of a run, from TensorBoard event files, read once and then only what is new.

It reads any logs in this format: timm's, Lightning's, Hugging Face's, and our own.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.runs.records import Batch, Points, read_batch

_CHUNK = 2**20


class Series:
    """One scalar over the run. The arrays that it gives stay as they are: new points are only written behind them."""

    def __init__(self) -> None:
        self._size = 0
        self._steps = np.empty(64, dtype=np.int64)
        self._values = np.empty(64)
        self._wall_times = np.empty(64)

    def __len__(self) -> int:
        return self._size

    def extend(self, points: Points) -> None:
        """Adds points, in the order in which they were written."""
        size = self._size + len(points.steps)
        if size > len(self._steps):
            self._move(max(size, 2 * len(self._steps)))
        new = slice(self._size, size)
        self._steps[new], self._values[new], self._wall_times[new] = points.steps, points.values, points.wall_times
        self._size = size

    def cut_from(self, step: int) -> None:
        """Forgets the points at `step` and later: a resumed run makes them again."""
        keep = self.steps < step
        if not keep.all():
            # New arrays, since somebody may hold the old ones.
            self._steps, self._values, self._wall_times = self.steps[keep], self.values[keep], self.wall_times[keep]
            self._size = len(self._steps)

    def _move(self, capacity: int) -> None:
        for name in ("_steps", "_values", "_wall_times"):
            old = getattr(self, name)
            new = np.empty(capacity, dtype=old.dtype)
            new[: self._size] = old[: self._size]
            setattr(self, name, new)

    @property
    def steps(self) -> NDArray[np.int64]:
        """The step of each point."""
        return self._steps[: self._size]

    @property
    def values(self) -> NDArray[np.float64]:
        """The value of each point; NaN and infinities as they were written."""
        return self._values[: self._size]

    @property
    def wall_times(self) -> NDArray[np.float64]:
        """When each point was written, in seconds since the epoch."""
        return self._wall_times[: self._size]


@dataclass
class _File:
    offset: int = 0
    problem: str = ""
    damaged: int = 0
    inode: int = 0

    @property
    def problems(self) -> list[str]:
        """What is wrong with it, as the end of a sentence."""
        many = "1 record, which is" if self.damaged == 1 else f"{self.damaged:,} records, which are"
        return [self.problem] * bool(self.problem) + [f"damaged in {many} left out"] * (self.damaged > 0)


@dataclass
class EventReader:
    """All event files of one folder, in the order of their names' times. `problems` says what could not be read."""

    folder: Path
    series: dict[str, Series] = field(default_factory=dict)
    _files: dict[Path, _File] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """A sentence for each damage."""
        return [f"{path.name} is {problem}." for path, known in self._files.items() for problem in known.problems]

    def read(self) -> bool:
        """Reads what is new; whether there was anything. When a file was replaced, all is read again from the start.

        What was read of a file that is gone stays.
        """
        new = False
        files = event_files(self.folder)
        if any(self._replaced(path) for path in files):
            self.series, self._files, new = {}, {}, True
        for path in files:
            known = self._files.setdefault(path, _File())
            if not known.problem:
                new |= self._read_file(path, known)
        return new

    def _replaced(self, path: Path) -> bool:
        """Whether a file that was read is another now, or shorter."""
        known = self._files.get(path)
        try:
            now = path.stat()
        except OSError:
            return False
        return known is not None and (now.st_size < known.offset or now.st_ino != known.inode)

    def _read_file(self, path: Path, known: _File) -> bool:
        new = False
        try:
            with path.open("rb") as stream:
                opened = os.fstat(stream.fileno())
                size, known.inode = opened.st_size, opened.st_ino
                while known.offset < size:
                    stream.seek(known.offset)
                    data = stream.read(_CHUNK)
                    end = self._take(data, known)
                    if not end and len(data) == _CHUNK and not known.problem:
                        data += stream.read()  # one record larger than a chunk: a picture, say
                        end = self._take(data, known)
                    known.offset += end
                    new |= end > 0
                    if not end or known.problem:
                        break
        except FileNotFoundError:
            return new
        return new

    def _take(self, data: bytes, known: _File) -> int:
        """Takes all whole records of `data`; how many bytes they were."""
        batch = read_batch(data)
        known.damaged += batch.damaged
        if batch.corrupt:
            known.problem = f"damaged at byte {known.offset + batch.size:,}; what follows is not read"
        first = 0
        for number, step in batch.restarts:
            self._add(batch, first, number)
            for series in self.series.values():
                series.cut_from(step)
            first = number
        self._add(batch, first, batch.count)
        return batch.size

    def _add(self, batch: Batch, first: int, end: int) -> None:
        """Adds the points of the records `first` to `end` - 1 of a batch."""
        for tag, points in batch.points.items():
            part = points if (first, end) == (0, batch.count) else points.between(first, end)
            if len(part.steps):
                self.series.setdefault(tag, Series()).extend(part)


def event_files(folder: Path) -> list[Path]:
    """The event files of a folder, oldest first by the time in their names."""
    try:
        return sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (name_time(path), path.name))
    except OSError:
        return []


def name_time(path: Path) -> int:
    """The time in an event file's name, in seconds since the epoch."""
    match = re.match(r"events\.out\.tfevents\.(\d+)", path.name)
    return int(match[1]) if match else 0
