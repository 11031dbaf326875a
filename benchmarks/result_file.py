"""The result file of a benchmark, written whole by its script: the machine, what was measured, how busy it was."""

import os
import time
from pathlib import Path

import psutil
from machine import describe

RESULTS = Path(__file__).parent / "results"


class ResultFile:
    """Lines that are printed as they come and written by `write`, with what other processes took of the processors.

    `out` is another place than `results/NAME.md`. A script that fails writes nothing.
    """

    def __init__(self, name: str, title: str, *packages: str, out: Path | None = None) -> None:
        self.file = out or RESULTS / f"{name}.md"
        self.lines: list[str] = []
        self._busy = _Busy()
        self.say(f"# {title}\n\n{describe(*packages)}\n")

    def say(self, text: str = "") -> None:
        """A line, or several."""
        print(text, flush=True)
        self.lines.append(text)

    def goal(self, what: str, met: bool) -> None:
        """A line that says whether a goal was reached."""
        self.say(f"Goal, {what}: {'met' if met else 'MISSED'}.")

    def write(self) -> None:
        """Ends the file."""
        self.say(f"\n{self._busy.words()}")
        self.file.write_text("\n".join(self.lines) + "\n")


class _Busy:
    """How busy the machine is from now on, beside this script and its children."""

    def __init__(self) -> None:
        self.load = os.getloadavg()[0]
        self.clock, self.all, self.own = time.monotonic(), _all_seconds(), _own_seconds()

    def words(self) -> str:
        seconds = time.monotonic() - self.clock
        others = max(0.0, _all_seconds() - self.all - (_own_seconds() - self.own)) / max(seconds, 1e-9)
        return (
            f"Measured in {seconds:.0f} s. Other processes took {others:.2f} of {os.cpu_count()} cores meanwhile; load"
            f" average {self.load:.1f} before and {os.getloadavg()[0]:.1f} after."
        )


def _all_seconds() -> float:
    """Processor time of everything on this machine since it started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)


def _own_seconds() -> float:
    """Processor time of this process, of children that have ended and of those that still run."""
    now = os.times()
    running = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        running += times.user + times.system + times.children_user + times.children_system
    return now.user + now.system + now.children_user + now.children_system + running
