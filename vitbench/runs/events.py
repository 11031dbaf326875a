"""The scalars of a run, from TensorBoard event files, read once and then only what is new.

It reads any logs in this format: timm's, Lightning's, Hugging Face's, and our own.
"""

import bisect
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitbench.runs.records import CorruptRecord, Record, records

_CHUNK = 8 * 2**20


class Series:
    """One scalar over the run. The arrays are copies: they stay as they are while the run goes on."""

    def __init__(self) -> None:
        self._steps = array("q")
        self._values = array("d")
        self._wall_times = array("d")
        self._cut: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None = None

    def __len__(self) -> int:
        return len(self._steps)

    def append(self, step: int, value: float, wall_time: float) -> None:
        """Adds a point."""
        self._steps.append(step)
        self._values.append(value)
        self._wall_times.append(wall_time)
        self._cut = None

    def cut_from(self, step: int) -> None:
        """Forgets the points at `step` and later: a resumed run makes them again."""
        keep = bisect.bisect_left(self._steps, step)
        for column in (self._steps, self._values, self._wall_times):
            del column[keep:]
        self._cut = None

    def _arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        if self._cut is None:
            self._cut = (
                np.array(self._steps, dtype=np.int64),
                np.array(self._values, dtype=np.float64),
                np.array(self._wall_times, dtype=np.float64),
            )
        return self._cut

    @property
    def steps(self) -> NDArray[np.int64]:
        """The step of each point."""
        return self._arrays()[0]

    @property
    def values(self) -> NDArray[np.float64]:
        """The value of each point; NaN and infinities as they were written."""
        return self._arrays()[1]

    @property
    def wall_times(self) -> NDArray[np.float64]:
        """When each point was written, in seconds since the epoch."""
        return self._arrays()[2]


@dataclass
class _File:
    offset: int = 0
    problem: str = ""
    inode: int = 0


@dataclass
class EventReader:
    """All event files of one folder, in the order of their names' times. `problems` says what could not be read."""

    folder: Path
    series: dict[str, Series] = field(default_factory=dict)
    _files: dict[Path, _File] = field(default_factory=dict)
    _tags: dict[bytes, Series] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """One sentence for each damaged file."""
        return [f"{path.name} is {known.problem}." for path, known in self._files.items() if known.problem]

    def read(self) -> bool:
        """Reads what is new; whether there was anything. A file that was replaced is read again from the start."""
        new = False
        for path in event_files(self.folder):
            known = self._files.setdefault(path, _File())
            if not known.problem:
                new |= self._read_file(path, known)
        return new

    def _read_file(self, path: Path, known: _File) -> bool:
        new = False
        try:
            with path.open("rb") as stream:
                size = stream.seek(0, 2)
                if size < known.offset:
                    known.offset = 0
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
        end = 0
        try:
            for record, end in records(data):  # noqa: B007 - `end` is what we return
                if record is not None:
                    self._add(record)
        except CorruptRecord as error:
            known.problem = f"damaged at byte {known.offset + error.offset:,}; what follows is not read"
            return error.offset
        return end

    def _add(self, record: Record) -> None:
        if record.restart:
            for series in self.series.values():
                series.cut_from(record.step)
            return
        for tag, value in record.scalars:
            known = self._tags.get(tag)
            if known is None:
                known = self._tags[tag] = self.series.setdefault(tag.decode(errors="replace"), Series())
            known.append(record.step, value, record.wall_time)


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
