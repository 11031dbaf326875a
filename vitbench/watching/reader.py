"""The scalars of a log, read on as they grow. Nothing is ever written beside them.

A training that was resumed is one line: where a later file begins at an earlier step, what was measured from that step
on before is left out, as the tool itself did it again. Two files that were written at the same time stay as they are.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.runs.events import EventReader, FileRead, Series
from vitbench.runs.packed import UNPACKING_ERRORS, is_packed, other_form, unpack
from vitbench.runs.records import ReadRecords
from vitbench.watching.folders import Log, LogFolder, event_files_of


@dataclass
class _FolderReader(EventReader):
    """All event files of one folder, also those whose names TensorBoard did not choose."""

    resumed: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """Of each file that goes back behind the ones before: the step from which it goes on, and the points left out."""
    _begun: set[tuple[Path, str]] = field(default_factory=set)
    _unpacked: dict[Path, tuple[int, ...]] = field(default_factory=dict)
    """The packed files that were read, as they were then."""
    _beside: list[Path] = field(default_factory=list)
    """Packed files whose log lies beside them unpacked."""

    def listed(self) -> list[Path]:
        files = event_files_of(self.folder)
        self._beside = [file for file in files if is_packed(file) and other_form(file) in files]
        return [file for file in files if file not in self._beside]

    @property
    def problems(self) -> list[str]:
        beside = [f"{file.name} is not read, since {other_form(file).name} lies beside it." for file in self._beside]
        return super().problems + beside

    def forget(self) -> None:
        super().forget()
        self.resumed, self._begun, self._unpacked = {}, set(), {}

    def _replaced(self, path: Path) -> bool:
        if path not in self._files and other_form(path) in self._files:
            return True  # it was packed, or unpacked
        if not is_packed(path):
            return super()._replaced(path)
        return path in self._unpacked and _state_of(path) not in (self._unpacked[path], ())

    def _read_file(self, path: Path, known: FileRead) -> bool:
        """A packed file is read once, and again when it is another."""
        if not is_packed(path):
            return super()._read_file(path, known)
        if path in self._unpacked:
            return False
        self._unpacked[path] = _state_of(path)
        problem = ""
        with tempfile.TemporaryDirectory(prefix="vitbench-") as place:
            target = Path(place) / "events"
            try:
                unpack(path, target)
            except UNPACKING_ERRORS as error:
                problem = f"packed and cannot be unpacked whole ({str(error).rstrip('.')}); what is whole is read"
            new = super()._read_file(target, known)
        known.problem = known.problem or problem
        return new

    def _add(self, batch: ReadRecords, first: int, end: int) -> None:
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


def _state_of(file: Path) -> tuple[int, ...]:
    """What changes when a file is replaced; empty for one that is not there."""
    try:
        facts = file.stat()
    except OSError:
        return ()
    return (facts.st_size, facts.st_mtime_ns, facts.st_ino)
