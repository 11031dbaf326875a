"""Bytes that the app sends over a pty of 120x40: one run open and written to once a second, then nothing written.

python benchmarks/wire.py [--seconds 60]
"""

import argparse
import tempfile
from pathlib import Path

from result_file import ResultFile
from watched_app import WatchedApp, writing

VIEWS = (("curves", "1"), ("system", "2"), ("log", "3"), ("table of runs", "\x1b"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    result = ResultFile("wire", "On the wire", "textual", "numpy")
    steady, still, paints = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        with writing(store, "--rate", "1", "--seconds", "3600"):
            app = WatchedApp(store, "--run", "last")
            app.wait_for("Curves")
            for name, key in VIEWS:
                app.child.send(key)
                app.read(5)
                before = app.paints
                steady[name] = len(app.read(seconds)) / seconds / 1024
                paints[name] = (app.paints - before) / seconds
            app.child.send("\r")
            app.read(3)
        app.child.send("\x1b")  # the notice that the writer is gone
        app.read(5)
        for name, key in VIEWS:
            app.child.send(key)
            app.read(5)
            still[name] = len(app.read(min(20.0, seconds)))
        app.close()
    result.say(f"One run of 2,000 points and more at 120x40, one update a second; over {seconds:g} s each.\n")
    result.say(
        "| what is open | KiB a second | paints a second | bytes in 20 s when nothing is written |\n|---|---|---|---|"
    )
    for name, _ in VIEWS:
        result.say(f"| {name} | {steady[name]:.2f} | {paints[name]:.2f} | {still[name]} |")
    result.say("")
    result.goal("below 20 KiB a second with one run open", max(steady.values()) < 20)
    result.goal("nothing when nothing changes", not any(still.values()))
    result.write()


if __name__ == "__main__":
    main()
