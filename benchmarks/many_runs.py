"""The app on a store of many runs: its first table, its answers to keys, its memory.

python benchmarks/many_runs.py [--runs 10000] [--live 100] [--keys 200]

The runs have 200 points of ten scalars; those that live write once in two seconds. A key is answered when the bytes
have come that move the cursor of the table.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from keys import Eye
from result_file import ResultFile
from watched_app import WatchedApp, writing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--live", type=int, default=100)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--out", type=Path, help="another result file")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = ("--runs", str(chosen.live), "--finished", str(chosen.runs - chosen.live), "--history", "200")
        with writing(Path(folder), *options, "--rate", "0.5", "--seconds", "3600"):
            result = ResultFile("many_runs", f"The app with {chosen.runs:,} runs", "textual", "numpy", out=chosen.out)
            result.say(
                f"{chosen.live} of {chosen.runs:,} runs are live and write once in two seconds; 120x40; the store is "
                f"on {file_system(Path(folder))}.\n"
            )
            began = time.perf_counter()
            app = WatchedApp(Path(folder))
            eye = Eye(app)
            eye.wait("pets-")
            first = time.perf_counter() - began
            eye.wait(f"{chosen.runs:,} runs")
            whole = time.perf_counter() - began
            eye.watch(10)
            before = app.cpu_seconds()
            eye.watch(10)
            busy = (app.cpu_seconds() - before) / 10
            turns = [("j", "k")[number // 7 % 2] for number in range(chosen.keys)]
            answers = [eye.answer_time(key, eye.cursor_row) for key in turns]
            memory = app.process.memory_full_info()
            app.close()
    clock, working, queued = (np.array(column) for column in zip(*answers, strict=True))
    late = float(np.percentile(clock, 99))
    result.say(f"First rows of the table after {first:.2f} s, all runs after {whole:.2f} s.")
    result.say(f"Between keys the app takes {busy:.0%} of one core.\n")
    result.say(
        "| key | median, ms | 99th percentile, ms | at work, median and 99th | queued for a core, median and 99th |"
    )
    result.say("|---|---|---|---|---|")
    shares = [f"{np.median(times):.0f}, {np.percentile(times, 99):.0f}" for times in (working, queued)]
    result.say(
        f"| the next run, {chosen.keys} times | {np.median(clock):.0f} | {late:.0f} | {shares[0]} | {shares[1]} |"
    )
    result.say(f"\nMemory: RSS {memory.rss / 1e6:.0f} MB, PSS {memory.pss / 1e6:.0f} MB.\n")
    result.goal("the first table below 2 s", first < 2)
    result.goal("99th percentile of keys below 50 ms", late < 50)
    result.goal("below 200 MB", memory.rss < 200e6)
    result.write()


def file_system(folder: Path) -> str:
    """What kind of file system holds a folder."""
    mounts = [one for one in psutil.disk_partitions(all=True) if folder.is_relative_to(one.mountpoint)]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype


if __name__ == "__main__":
    os.environ.setdefault("VITBENCH_INSPECTOR_MINUTES", "0")
    main()
