"""First paint of the app against a bare Textual app, alternating.   python benchmarks/app_start.py [--pairs 7]

All modules are compiled before, as `make install` leaves them.
"""

import argparse
import compileall
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import pexpect
from result_file import ResultFile

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("Ready")
Bare().run()
"""


def first_paint(arguments: list[str], word: str, folder: str) -> float:
    """Seconds from the start of the process until `word` has arrived over a pty of 120x40."""
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": folder}
    began = time.perf_counter()
    child = pexpect.spawn(
        sys.executable, arguments, dimensions=(40, 120), env=environment, encoding="utf-8", timeout=30
    )
    child.expect_exact(word)
    seconds = time.perf_counter() - began
    child.close(force=True)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    result = ResultFile("app_start", "First paint of the app", "textual")
    for package in ("vitbench", "screens"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        ours = ["-m", "vitbench", "--store", f"{folder}/store"]
        times = [(first_paint(["-c", BARE], "Ready", folder), first_paint(ours, "leave", folder)) for _ in range(pairs)]
    bare, app = (statistics.median(column) for column in zip(*times, strict=True))
    result.say(
        f"Medians of {pairs} alternating pairs: bare Textual app {bare:.2f} s, vitbench with an empty store {app:.2f}"
        f" s: {app / bare:.2f} times.\n"
    )
    result.goal("1.6 times", app / bare <= 1.6)
    result.write()


if __name__ == "__main__":
    main()
