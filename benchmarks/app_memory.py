"""Memory of the app as a whole process with 100 runs in the store.   python benchmarks/app_memory.py [--runs 100]"""

import argparse
import tempfile
from pathlib import Path

from result_file import ResultFile
from watched_app import WatchedApp, writing

HEAVY = ("torch", "timm", "torchvision", "matplotlib")


def loaded(pid: int) -> list[str]:
    """Those of the heavy packages whose compiled parts the process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in HEAVY if f"/{name}/" in maps]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    count = parser.parse_args().runs
    result = ResultFile("app_memory", "Memory of the app", "textual", "numpy")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        options = ("--finished", str(count - 1), "--rate", "1", "--seconds", "3600")
        with writing(store, *options):
            app = WatchedApp(store)
            app.wait_for(f"{count} runs")
            app.read(15)
            table = app.process.memory_full_info()
            app.child.send("\r")
            app.wait_for("Curves")
            app.read(15)
            run = app.process.memory_full_info()
            heavy = loaded(app.child.pid)
            app.close()
    result.say(f"The whole process, {count} runs of 2,000 points in the store, one of them writing once a second.\n")
    result.say("| | PSS, MB | RSS, MB | USS, MB |\n|---|---|---|---|")
    for what, memory in (("the table of runs, after 15 s", table), ("one run opened, after 15 s more", run)):
        result.say(f"| {what} | {memory.pss / 1e6:.0f} | {memory.rss / 1e6:.0f} | {memory.uss / 1e6:.0f} |")
    result.say(f"\nLoaded of {', '.join(HEAVY)}: {', '.join(heavy) or 'none'}.")
    result.goal("below 100 MB (PSS) with a run open, none of these loaded", run.pss < 100e6 and not heavy)
    result.write()


if __name__ == "__main__":
    main()
