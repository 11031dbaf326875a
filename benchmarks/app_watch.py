"""What watching costs: CPU time of the app while one run writes once a second.

python benchmarks/app_watch.py [--minutes 5]
"""

import argparse
import tempfile
import time
from pathlib import Path

from result_file import ResultFile
from watched_app import WatchedApp, writing


def share(app: WatchedApp, seconds: float) -> tuple[float, int, float]:
    """CPU time of the app as a share of one core, the bytes that it sent, and how often a second it painted."""
    began, before, paints = time.monotonic(), app.cpu_seconds(), app.paints
    sent = len(app.read(seconds))
    took = time.monotonic() - began
    return (app.cpu_seconds() - before) / took, sent, (app.paints - paints) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    minutes = parser.parse_args().minutes
    result = ResultFile("app_watch", "The cost of watching", "textual", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        with writing(store, "--rate", "1", "--seconds", "3600"):
            app = WatchedApp(store, "--run", "last")
            app.wait_for("Curves")
            app.read(5)
            watching, sent, paints = share(app, minutes * 60)
        app.read(5)
        still, nothing, _ = share(app, 30)
        app.close()
    result.say(
        f"One run open at 120x40, written to once a second, with 2,000 points at the start, for {minutes:g} minutes:"
    )
    result.say(
        f"{watching * 100:.2f}% of one core (CPU time of the process, user and system), {sent:,} bytes in {paints:.2f}"
        " paints a second.\n"
    )
    result.say(f"With nothing written, for half a minute: {still * 100:.2f}%, {nothing:,} bytes sent.\n")
    result.goal("below 3% of one core", watching < 0.03)
    result.write()


if __name__ == "__main__":
    main()
