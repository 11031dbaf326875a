"""Memory of the app as a whole process with 100 runs in the store.   python benchmarks/app_memory.py [--runs 100]"""

import argparse
import tempfile
from pathlib import Path

from machine import describe
from watched_app import WatchedApp, machine_load, writing

HEAVY = ("torch", "timm", "torchvision", "matplotlib")


def loaded(pid: int) -> list[str]:
    """Those of the heavy packages whose compiled parts the process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return [name for name in HEAVY if f"/{name}/" in maps]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    count = parser.parse_args().runs
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
    print(f"# Memory of the app\n\n{describe('textual', 'numpy')}\n")
    print(f"The whole process, {count} runs of 2,000 points in the store, one of them writing once a second.\n")
    print("| | PSS, MB | RSS, MB | USS, MB |\n|---|---|---|---|")
    for what, memory in (("the table of runs, after 15 s", table), ("one run opened, after 15 s more", run)):
        print(f"| {what} | {memory.pss / 1e6:.0f} | {memory.rss / 1e6:.0f} | {memory.uss / 1e6:.0f} |")
    print(
        f"\nLoaded of {', '.join(HEAVY)}: {', '.join(heavy) or 'none'}. To reach: below 100 MB, none of these loaded."
    )
    print(f"\n{machine_load()}")


if __name__ == "__main__":
    main()
