"""From the key to the first map of the package's network, in the app in a terminal: at once, and when it has been open
for 15 s; and what the inspector costs in memory.   python benchmarks/first_map.py [--rounds 5] [--out FILE]"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import psutil
from result_file import ResultFile

OPEN_FOR = 15.0
BETWEEN = 3.0
"""Seconds between two rounds, so that the last one's processes are gone."""


def one_round(open_for: float, folder: str) -> tuple[float, float, float]:
    """Seconds from the key `I` to the likeliest class below the map, and MB of the app and of its children."""
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "VITBENCH_HOME": f"{folder}/store",
        "LANG": "C.UTF-8",
    }
    child = pexpect.spawn(
        sys.executable, ["-m", "vitbench"], dimensions=(40, 120), env=environment, encoding="utf-8", timeout=120
    )
    child.delaybeforesend = None
    try:
        child.expect_exact("leave")
        end = time.monotonic() + open_for
        while (left := end - time.monotonic()) > 0:
            child.expect([pexpect.TIMEOUT], timeout=min(left, 0.5))
        began = time.perf_counter()
        child.send("I")
        child.expect("completeness error")
        seconds = time.perf_counter() - began
        app = psutil.Process(child.pid)
        inspectors = [process.memory_info().rss for process in app.children(recursive=True)]
        return seconds, app.memory_info().rss / 2**20, sum(inspectors) / 2**20
    finally:
        child.close(force=True)
        time.sleep(BETWEEN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    result = ResultFile("first_map", "The first map", "torch", "torchvision", "timm", "textual", out=chosen.out)
    lines = [f"From the key I to the map of the package's network at 120x40, {chosen.rounds} rounds each; the app and"]
    lines += ["its inspector are new in each.", ""]
    lines += ["| | median | slowest | memory of the app | of the inspector |", "|---|---|---|---|---|"]
    reached: dict[float, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, open_for in (("at once", 0.0), (f"open for {OPEN_FOR:.0f} s", OPEN_FOR)):
            rows = [one_round(open_for, folder) for _ in range(chosen.rounds)]
            times, app, inspector = zip(*rows, strict=True)
            lines.append(
                f"| {name} | {statistics.median(times):.2f} s | {max(times):.2f} s | "
                f"{statistics.median(app):.0f} MB | {statistics.median(inspector):.0f} MB |"
            )
            print(lines[-1], flush=True)
            reached[open_for] = statistics.median(times)
    result.say("\n".join(lines) + "\n")
    result.goal("4 s at once", reached[0.0] <= 4)
    result.goal(f"1 s when the app has been open for {OPEN_FOR:.0f} s", reached[OPEN_FOR] <= 1)
    result.write()


if __name__ == "__main__":
    main()
