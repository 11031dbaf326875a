"""Other tools' logs in the app against terminalboard, on the same folder.

python benchmarks/watch_logs.py [--runs 100] [--points 10000] [--rounds 3] [--terminalboard FOLDER]

`--terminalboard` is a folder into which `pip install --target FOLDER terminalboard 'plotext<6'` has put it. Ours is
ready when the list has read all runs, and their curves are drawn in one chart after `*` and `c`; terminalboard when its
dashboard has drawn them. Both start anew in each round, in turn.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pexpect
import pyte
from result_file import ResultFile
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

SIZE = (40, 120)


def write_logs(folder: Path, runs: int, points: int) -> None:
    """One scalar a run, as PyTorch's SummaryWriter writes it."""
    random = np.random.default_rng(0)
    for run in range(runs):
        place = folder / f"experiment-{run:03d}"
        place.mkdir(parents=True)
        values = 3 * np.exp(-np.arange(points) / points * (2 + run / runs)) + 0.1 * random.standard_normal(points)
        with (place / f"events.out.tfevents.17000{run:05d}.host.1.0").open("wb") as stream:
            writer = RecordWriter(stream)
            writer.write(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString())
            for step, value in enumerate(values.tolist()):
                entry = Summary.Value(tag="train/loss", simple_value=value)
                event = Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[entry]))
                writer.write(event.SerializeToString())


class Terminal:
    """A program in a pty, and what a person sees of it."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self.began = time.perf_counter()
        self.child = pexpect.spawn(sys.executable, arguments, dimensions=SIZE, env=environment, timeout=300)
        self.screen = pyte.Screen(SIZE[1], SIZE[0])
        self.stream = pyte.ByteStream(self.screen)

    def text(self) -> str:
        return "\n".join(self.screen.display)

    def wait(self, seen: Callable[[str], bool], what: str) -> float:
        """Seconds since the start until something is to be seen."""
        while not seen(self.text()):
            if time.perf_counter() - self.began > 240:
                raise SystemExit(f"{what} never came:\n{self.text()}")
            try:
                self.stream.feed(self.child.read_nonblocking(1 << 16, timeout=1))
            except pexpect.TIMEOUT:
                continue
        return time.perf_counter() - self.began

    def close(self) -> None:
        self.child.close(force=True)


def braille(text: str) -> int:
    """Cells of a chart that are drawn."""
    return sum(0x2800 < ord(sign) < 0x2900 for sign in text)


def ours(logs: Path, store: Path, runs: int, environment: dict[str, str]) -> float:
    store.mkdir(exist_ok=True)
    (store / "screens.json").write_text('{"details": false}')
    terminal = Terminal(["-m", "vitbench", "watch", str(logs), "--store", str(store)], environment)
    terminal.wait(lambda text: f"{runs} logs" in text and "being read" not in text, "the list")
    terminal.child.send("*c")
    ready = terminal.wait(lambda text: f"Compare  {runs} runs" in text and braille(text) > 200, "the chart")
    terminal.close()
    return ready


def theirs(logs: Path, installed: Path, runs: int, environment: dict[str, str]) -> float:
    environment = {**environment, "PYTHONPATH": str(installed)}
    terminal = Terminal(["-m", "terminalboard", str(logs)], environment)
    ready = terminal.wait(lambda text: braille(text) > 200 and str(runs) in text, "its chart")
    terminal.close()
    return ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--terminalboard", type=Path)
    parser.add_argument("--out", type=Path, help="another result file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        write_logs(logs, chosen.runs, chosen.points)
        names = ["numpy", "textual"]
        result = ResultFile("watch_logs", "Other tools' logs, from the start to the charts", *names, out=chosen.out)
        environment = {**os.environ, "TERM": "xterm-256color", "HOME": folder, "VITBENCH_INSPECTOR_MINUTES": "0"}
        own, other = [], []
        for number in range(chosen.rounds):
            own.append(ours(logs, Path(folder) / f"store-{number}", chosen.runs, environment))
            if chosen.terminalboard:
                other.append(theirs(logs, chosen.terminalboard, chosen.runs, environment))
    result.say(f"{chosen.runs} runs of {chosen.points:,} points; medians of {chosen.rounds} rounds in turn; 120x40.\n")
    median = statistics.median(own)
    result.say(f"vitbench: all curves in one chart after {median:.2f} s ({min(own):.2f} to {max(own):.2f}).")
    if other:
        theirs_median = statistics.median(other)
        result.say(f"terminalboard: after {theirs_median:.2f} s ({min(other):.2f} to {max(other):.2f}).\n")
        result.goal("faster than terminalboard", median < theirs_median)
    else:
        result.say("terminalboard was not installed, so nothing was compared.\n")
    result.goal("all charts ready below 5 s", median < 5)
    result.write()


if __name__ == "__main__":
    main()
