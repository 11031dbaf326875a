"""From a key to the changed screen, over a pty, while eight runs write ten times a second.

python benchmarks/keys.py [--keys 100]

On a machine that does other work too, most of the time by the clock is spent in the queue for a processor: what the
kernel says of the app's own thread (`schedstat`) is given beside it.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
import pyte
from result_file import ResultFile
from watched_app import WatchedApp, writing


class Answer(NamedTuple):
    """Milliseconds: by the clock; the app's own thread on a processor; that thread waiting for one."""

    clock: float
    working: float
    queued: float


class Eye:
    """Sees what a person sees, so that an update that comes at the same time is not taken for the answer."""

    def __init__(self, app: WatchedApp) -> None:
        self.app = app
        self.screen = pyte.Screen(120, 40)
        self.stream = pyte.ByteStream(self.screen)
        self.random = np.random.default_rng(0)
        sys.setswitchinterval(5e-4)  # so that what comes while pyte reads gets its time at once

    def watch(self, seconds: float) -> None:
        self.stream.feed(self.app.read(seconds))

    def wait(self, word: str) -> None:
        deadline = time.monotonic() + 300
        while word not in "\n".join(self.screen.display):
            if time.monotonic() > deadline:
                raise SystemExit(f"{word!r} never came.")
            self.watch(0.1)

    def answer_time(self, key: str, seen: Callable[[], object]) -> Answer:
        """From the key until the bytes have come that change what `seen` gives."""
        self.watch(0.3 + 0.5 * self.random.random())
        before, (worked, queued), began = seen(), self.scheduled(), time.perf_counter()
        self.app.child.send(key)
        with self._arriving() as pieces:
            while time.perf_counter() - began < 10:
                data, arrived, (working, queueing) = pieces.get()
                self.stream.feed(data)
                if seen() != before:
                    return Answer((arrived - began) * 1000, working - worked, queueing - queued)
        raise SystemExit(f"No answer to the key {key!r} within 10 s:\n" + "\n".join(self.screen.display))

    @contextmanager
    def _arriving(self) -> Iterator["SimpleQueue[tuple[bytes, float, tuple[float, float]]]"]:
        """What comes, each piece with its time: a thread takes it, since pyte reads slower than a terminal, and the
        answer to a key would seem to come when an update before it has been read."""
        pieces: SimpleQueue[tuple[bytes, float, tuple[float, float]]] = SimpleQueue()
        enough = threading.Event()

        def take() -> None:
            while not enough.is_set():
                data = self.app.read_some(0.1)
                pieces.put((data, time.perf_counter(), self.scheduled()))

        taker = threading.Thread(target=take)
        taker.start()
        try:
            yield pieces
        finally:
            enough.set()
            taker.join()
            while not pieces.empty():
                self.stream.feed(pieces.get()[0])

    def scheduled(self) -> tuple[float, float]:
        """Milliseconds that the app's own thread has run, and has waited for a processor."""
        pid = self.app.child.pid
        running, waiting, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        return int(running) / 1e6, int(waiting) / 1e6

    def row(self, number: int) -> str:
        return self.screen.display[number]

    def cursor_row(self) -> int:
        """The row of the table whose ground differs from that of the others."""
        grounds = [self.screen.buffer[y][20].bg for y in range(4, 12)]
        return next((y for y, ground in enumerate(grounds) if grounds.count(ground) == 1), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100)
    count = parser.parse_args().keys
    result = ResultFile("keys", "From key to screen", "textual", "numpy")
    times: dict[str, list[Answer]] = {}
    with tempfile.TemporaryDirectory() as folder, writing(Path(folder), "--runs", "8", "--rate", "10"):
        app = WatchedApp(Path(folder))
        eye = Eye(app)
        eye.wait("8 runs")
        eye.watch(5)
        before = app.cpu_seconds()
        eye.watch(10)
        busy = (app.cpu_seconds() - before) / 10
        turns = [("j", "k")[number // 7 % 2] for number in range(count)]
        times["table: the next run"] = [eye.answer_time(key, eye.cursor_row) for key in turns]
        app.child.send("\r")
        eye.wait("Curves")
        app.child.send("\x1b[H" + 5 * "\x1b[C")  # away from the edge, where a key would change nothing
        eye.watch(3)
        arrows = [("\x1b[C", "\x1b[D")[number // 20 % 2] for number in range(count)]  # the axis grows meanwhile
        times["curves: the cursor"] = [eye.answer_time(key, lambda: eye.row(4)) for key in arrows]
        views = ["21"[number % 2] for number in range(count)]
        times["another view, drawn whole"] = [eye.answer_time(key, lambda: eye.row(4)[:20]) for key in views]
        app.close()
    result.say(f"Eight runs written to ten times a second each; {count} keys of each kind at random moments; 120x40.\n")
    result.say(
        "| key | median, ms | 95th percentile, ms | most, ms | at work, median and 95th | queued, median and 95th |"
    )
    result.say("|---|---|---|---|---|---|")
    slowest = 0.0
    for what, answers in times.items():
        clock, working, queued = (np.array(column) for column in zip(*answers, strict=True))
        slowest = max(slowest, float(np.median(clock)))
        pairs = ", ".join(f"{value:.0f}" for value in np.percentile(working, (50, 95)))
        waited = ", ".join(f"{value:.0f}" for value in np.percentile(queued, (50, 95)))
        result.say(
            f"| {what} | {np.median(clock):.0f} | {np.percentile(clock, 95):.0f} | {max(clock):.0f} | {pairs}"
            f" | {waited} |"
        )
    result.say(f"\nBetween the keys the app takes {busy * 100:.1f}% of one core.\n")
    result.goal("each median below 50 ms", slowest < 50)
    result.write()


if __name__ == "__main__":
    main()
