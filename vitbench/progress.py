"""How long work tells how far it is: one callable, given by whoever wants to know."""

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

from vitbench.output import unfiltered
from vitbench.text import clean

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, what)`; `total` is 0 while unknown. Raise in it to cancel the work."""


def silent(done: int, total: int, what: str) -> None:
    """The progress of a caller who does not look."""


def duration(seconds: float) -> str:
    """`seconds` as a person reads it: `8 s`, `3 min 20 s`, `5 h 12 min`, `2 d 4 h`; `?` for what is not a number."""
    if not math.isfinite(seconds):
        return "?"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def rough_duration(seconds: float) -> str:
    """`seconds` as `duration` says them, without what an estimate does not know: `55 min`, `5 h 12 min`."""
    return duration(seconds if not 60 <= seconds < 3600 else seconds // 60 * 60).removesuffix(" 00 s")


def moment(seconds: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The local time `seconds` after the epoch in the form of `time.strftime`; `?` for what no calendar has."""
    try:
        return time.strftime(form, time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "?"


def progress_words(done: int, total: int, what: str, elapsed: float) -> str:
    """Progress as a person reads it, with an ETA from `elapsed`, the seconds since this work began."""
    if not total:
        return f"{what}: {done:,}" if done else f"{what} ..."
    left = f", {duration(elapsed / done * (total - done))} left" if 0 < done < total and elapsed > 1 else ""
    return f"{what}: {done:,} of {total:,} ({done / total:.0%}{left})"


class ConsoleProgress:
    """Progress on one line of a terminal, with an ETA; in a log file, a line at most every ten seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or unfiltered(sys.stderr)
        self.interactive = self.stream.isatty()
        self.interval = 0.2 if self.interactive else 10.0
        self.what = ""
        self.started = self.shown = 0.0
        self.line_open = self.finished = False

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if what != self.what:
            self.close()
            self.what, self.started, self.shown, self.finished = what, now, 0.0, False
        finished = total > 0 and done >= total
        if (self.finished and finished) or (now - self.shown < self.interval and not finished):
            return
        self.finished = finished
        self.shown = now
        self._show(clean(progress_words(done, total, what, now - self.started)))
        if finished:
            self.close()

    def close(self) -> None:
        """Ends the line that is being rewritten, if any."""
        if self.line_open:
            self.stream.write("\n")
            self.stream.flush()
        self.line_open = False

    def _show(self, line: str) -> None:
        if self.interactive:
            self.stream.write(f"\r\x1b[K{line}")
            self.line_open = True
        else:
            self.stream.write(line + "\n")
        self.stream.flush()
