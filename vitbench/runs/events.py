"""The scalars of a run, from TensorBoard event files, read once and then only what is new.

It reads any logs in this format: timm's, Lightning's, Hugging Face's, and our own.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.files.reading import EVENTS, MissingFile, Unreadable, open_file
from vitbench.runs.records import Points, ReadRecords, file_version, read_batch, record_size

_LATEST = 10**10
"""The largest time in a name that is believed, in the year 2286."""
_CHUNK = 2**20
_LARGEST_RECORD = 2**26
_MOST_SCALARS = 20_000
_SAYS_RESTARTS = 2
"""The version of event files from which on a restart is a record of its own (tensorboard's event_accumulator.py)."""


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
class FileRead:
    """How far an event file was read, and what is wrong with it."""

    offset: int = 0
    problem: str = ""
    damaged: int = 0
    inode: int = 0
    version: int | None = None

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
    _files: dict[Path, FileRead] = field(default_factory=dict)
    _too_many: bool = False
    _says_restarts: bool = False
    current: Path = Path()
    """The file that is being read."""

    def listed(self) -> list[Path]:
        """The files, oldest first."""
        return event_files(self.folder)

    @property
    def problems(self) -> list[str]:
        """A sentence for each damage."""
        too_many = f"There are more than {_MOST_SCALARS:,} scalars; the others are left out."
        damages = [f"{path.name} is {problem}." for path, known in self._files.items() for problem in known.problems]
        return damages + [too_many] * self._too_many

    def read(self) -> bool:
        """Reads what is new; whether there was anything. When a file was replaced, all is read again from the start.

        What was read of a file that is gone stays.
        """
        new = False
        files = self.listed()
        if any(self._replaced(path) for path in files):
            self.forget()
            new = True
        for path in files:
            known = self._files.setdefault(path, FileRead())
            self.current = path
            if not known.problem:
                new |= self._read_file(path, known)
        return new

    def forget(self) -> None:
        """Nothing has been read."""
        self.series, self._files = {}, {}

    def _replaced(self, path: Path) -> bool:
        """Whether a file that was read is another now, or shorter."""
        known = self._files.get(path)
        try:
            now = path.stat()
        except OSError:
            return False
        return known is not None and (now.st_size < known.offset or now.st_ino != known.inode)

    def _read_file(self, path: Path, known: FileRead) -> bool:
        new = False
        try:
            with open_file(path, EVENTS) as stream:
                opened = os.fstat(stream.fileno())
                size, known.inode = opened.st_size, opened.st_ino
                while known.offset < size and not known.problem:
                    stream.seek(known.offset)
                    data = stream.read(_CHUNK)
                    end = self._take(data, known) or self._take_large(stream, data, size, known)
                    known.offset += end
                    new |= end > 0
                    if not end:
                        break
        except MissingFile:
            return new
        except OSError as error:
            reason = error.reason if isinstance(error, Unreadable) else error.strerror
            known.problem = f"not readable ({reason})"
            with suppress(OSError):
                known.inode = path.stat().st_ino
        return new

    def _take_large(self, stream: FileIO, data: bytes, size: int, known: FileRead) -> int:
        """Takes a record that is larger than a chunk, a picture say; how many bytes it was.

        One that is larger than any scalar can be is passed over unread.
        """
        length = record_size(data) if len(data) == _CHUNK and not known.problem else None
        if length is None or known.offset + length > size:
            return 0
        if length <= _LARGEST_RECORD:
            stream.seek(known.offset)
            return self._take(stream.read(length), known)
        return length

    def _take(self, data: bytes, known: FileRead) -> int:
        """Takes all whole records of `data`; how many bytes they were."""
        if known.version is None and known.offset == 0:
            known.version = file_version(data)
        self._says_restarts |= (known.version or 0) >= _SAYS_RESTARTS
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

    def _add(self, batch: ReadRecords, first: int, end: int) -> None:
        """Adds the points of the records `first` to `end` - 1 of a batch."""
        for tag, points in batch.points.items():
            part = points if (first, end) == (0, batch.count) else points.between(first, end)
            if not len(part.steps):
                continue
            if tag not in self.series and len(self.series) >= _MOST_SCALARS:
                self._too_many = True
            elif self._says_restarts:
                self.series.setdefault(tag, Series()).extend(part)
            else:
                _extend_rising(self.series.setdefault(tag, Series()), part)


def _extend_rising(series: Series, points: Points) -> None:
    """Adds points of a file that does not say restarts: where its steps go back, what was at that step and later goes.

    TensorBoard does so too (files of tensorboardX before its 1.4, and of TensorFlow before its 0.8).
    """
    falls = np.flatnonzero(np.diff(points.steps) < 0) + 1
    for first, end in zip([0, *falls.tolist()], [*falls.tolist(), len(points.steps)], strict=True):
        part = slice(first, end)
        if len(series) and points.steps[first] < series.steps[-1]:
            series.cut_from(int(points.steps[first]))
        rows = points.records[part], points.steps[part], points.values[part], points.wall_times[part]
        series.extend(Points(*rows))


def event_files(folder: Path) -> list[Path]:
    """The event files of a folder, oldest first by the time in their names."""
    try:
        return sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (name_time(path), path.name))
    except OSError:
        return []


def name_time(path: Path) -> int:
    """The time in an event file's name, in seconds since the epoch."""
    match = re.match(r"events\.out\.tfevents\.(\d+)", path.name)
    return min(int(match[1]), _LATEST) if match else 0
