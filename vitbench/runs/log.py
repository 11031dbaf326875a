"""The log of a run: one JSON object a line, with time, step, level and text.

A log may have any size, so it is never read whole: a piece at a time, and what is wanted of its end from the end.
"""

import errno
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import parse_json
from vitbench.files.reading import LOG, MissingFile, Unreadable, open_file
from vitbench.files.writing import open_to_append
from vitbench.text import size_in_words

_PIECE = 2**20
"""Bytes that are read at once. A line that is longer is left out."""
_END = 2**26
_LARGEST_STEP = 2**62


@dataclass(frozen=True)
class LogLine:
    """One line; `time` in seconds since the epoch."""

    time: float
    step: int
    level: str
    text: str


class RunLog:
    """Appends lines; each is written with one system call, so that a reader never sees half of two."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, step: int, level: str, text: str) -> None:
        """Adds one line. Raises OSError when it cannot be written (a full disk)."""
        row = json.dumps({"time": time.time(), "step": step, "level": level, "text": text}, ensure_ascii=False)
        with open_to_append(self.file) as stream:
            stream.write(row.encode(errors="replace") + b"\n")


class LogTail:
    """Reads on where it stopped. A line without its end is not there yet; a damaged one is shown as it is.

    It begins with the first line at byte `offset` of the file or later. With a `limit`, it never gives more than the
    last `limit` bytes that are new, and says in a line of its own how much it passed over.
    """

    def __init__(self, file: Path, offset: int = 0, limit: int | None = None) -> None:
        self.file = file
        self.limit = limit
        self._problem = ""
        self._begin_at(offset)

    def _begin_at(self, offset: int) -> None:
        # If the byte before is a line's end, the line at `offset` is whole.
        self._offset = max(0, offset - 1)
        self._in_long_line = offset > 0

    def read(self) -> list[LogLine]:
        """The lines that are new since the last call; all again when the file was replaced by a shorter one."""
        return list(self.lines())

    def lines(self) -> Iterator[LogLine]:
        """As `read`, a piece of the file at a time."""
        try:
            with open_file(self.file, LOG) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size < self._offset:
                    self._begin_at(0)
                if self.limit is not None and size - self._offset > self.limit:
                    yield self._pass_over(size - self.limit)
                while self._offset < size:
                    if self._in_long_line:
                        self._offset = _data_from(stream.fileno(), self._offset, size)
                    stream.seek(self._offset)
                    before, data = self._offset, stream.read(min(_PIECE, size - self._offset))
                    yield from self._take(data)
                    if self._offset == before:
                        break
            self._problem = ""
        except MissingFile:
            return
        except Unreadable as error:
            if str(error) != self._problem:  # once, not at each look
                self._problem = str(error)
                yield LogLine(0.0, 0, "warning", str(error))

    def _pass_over(self, offset: int) -> LogLine:
        """Goes on at the first line that begins at `offset` or later."""
        passed = offset - self._offset
        self._begin_at(offset)
        return LogLine(
            0.0,
            0,
            "warning",
            f"{size_in_words(passed)} of the log before this are not shown; `vitbench log` prints all.",
        )

    def _take(self, data: bytes) -> Iterator[LogLine]:
        if self._in_long_line:
            end = data.find(b"\n") + 1
            self._offset += end or len(data)
            self._in_long_line = not end
            data = data[end:] if end else b""
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for row in whole.split(b"\n"):
            if row.strip():
                yield _line(row)
        if not whole and len(data) == _PIECE:
            self._offset += len(data)
            self._in_long_line = True
            yield LogLine(0.0, 0, "warning", f"A line of more than {size_in_words(_PIECE)} is left out.")


def read_log(file: Path) -> Iterator[LogLine]:
    """All whole lines of a log, one after the other."""
    return LogTail(file).lines()


def last_lines(file: Path, count: int, within: int | None = None) -> list[LogLine]:
    """The last `count` whole lines of a log that lie within its last `within` bytes, read from the end.

    Without `within` that is as much as so many of the longest lines take.
    """
    within = max(_END, count * _PIECE) if within is None else within
    lines = LogTail(file, _offset_of_last(file, count, within)).read()
    return lines[-count:] if count else []


def follow(file: Path, interval: float = 0.5) -> Iterator[LogLine | None]:
    """Lines as they come, for ever; None once after each look that found no more, so a caller may decide to end."""
    tail = LogTail(file)
    while True:
        yield from tail.lines()
        yield None
        time.sleep(interval)


def _offset_of_last(file: Path, count: int, within: int) -> int:
    """Where the last `count` whole lines begin: found from the end, a piece at a time."""
    try:
        with open_file(file, LOG) as stream:
            size = os.fstat(stream.fileno()).st_size
            first = max(0, size - within)
            end, found = size, 0
            while end > first:
                begin = max(first, end - _PIECE)
                stream.seek(begin)
                piece = stream.read(end - begin)
                ends = piece.count(b"\n")
                # The end of the line before the wanted ones is counted too.
                if found + ends > count:
                    place = len(piece)
                    for _ in range(count + 1 - found):
                        place = piece.rfind(b"\n", 0, place)
                    return begin + place + 1
                found, end = found + ends, begin
            return first
    except OSError:
        return 0  # reading it says why


def _data_from(descriptor: int, offset: int, size: int) -> int:
    """Where a file has data from `offset` on: a file of 20 GB may be one hole, which has no line's end."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else offset


def _line(row: bytes) -> LogLine:
    try:
        fields = parse_json(row, "log.jsonl")
        moment, step = float(fields["time"]), _step(fields["step"])
        if math.isfinite(moment):
            return LogLine(moment, step, str(fields["level"]), str(fields["text"]))
    except (UserError, ValueError, KeyError, TypeError, OverflowError):
        pass
    return LogLine(0.0, 0, "warning", row.decode(errors="replace"))


def _step(value: Any) -> int:
    step = int(value)
    if abs(step) > _LARGEST_STEP:
        raise ValueError("a step that no run can reach")
    return step
