"""What watching costs: CPU time of the app while one run writes once a second.

python benchmarks/app_watch.py [--minutes 5]
"""

import argparse
import tempfile
import time
from pathlib import Path

from machine import describe
from watched_app import WatchedApp, machine_load, writing


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
    print(f"# The cost of watching\n\n{describe('textual', 'numpy')}\n")
    print(f"One run open at 120x40, written to once a second, with 2,000 points at the start, for {minutes:g} minutes:")
    print(f"{watching * 100:.2f}% of one core (CPU time of the process, user and system), ", end="")
    print(f"{sent:,} bytes in {paints:.2f} paints a second.\n")
    print(f"To reach: below 3%. With nothing written, for half a minute: {still * 100:.2f}%, {nothing:,} bytes sent.")
    print(f"\n{machine_load()}")


if __name__ == "__main__":
    main()
