"""The log of a run: one JSON object a line, with time, step, level and text."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("debug", "info", "warning", "error")


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
        with self.file.open("ab", buffering=0) as stream:
            stream.write(row.encode(errors="replace") + b"\n")


class LogTail:
    """Reads on where it stopped. A line without its end is not there yet; a damaged one is shown as it is."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._offset = 0

    def read(self) -> list[LogLine]:
        """The lines that are new since the last call; all again when the file was replaced by a shorter one."""
        try:
            size = self.file.stat().st_size
            if size < self._offset:
                self._offset = 0
            if size == self._offset:
                return []
            with self.file.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read(size - self._offset)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [_line(row) for row in whole.splitlines() if row.strip()]


def read_log(file: Path) -> list[LogLine]:
    """All whole lines of a log."""
    return LogTail(file).read()


def follow(file: Path, interval: float = 0.5) -> Iterator[LogLine | None]:
    """Lines as they come, for ever; None once after each look that found no more, so a caller may decide to end."""
    tail = LogTail(file)
    while True:
        yield from tail.read()
        yield None
        time.sleep(interval)


def _line(row: bytes) -> LogLine:
    try:
        fields = json.loads(row)
        return LogLine(float(fields["time"]), int(fields["step"]), str(fields["level"]), str(fields["text"]))
    except (ValueError, KeyError, TypeError):
        return LogLine(0.0, 0, "warning", row.decode(errors="replace"))
