"""Random walks over the states of runs, in full; writes `results/walks.md`.

    python benchmarks/walks.py --played 2000 --real 200 [--seconds 3600] [--processes 2] [--seed 20211]

What a walk is stands in `tests/runs/walks.py`. `--seconds` bounds each program; the file says how many there were.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from machine import describe

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).resolve().parent / "results" / "walks.md"
sys.path.insert(0, str(ROOT))

from tests.runs.walking import ROOM_FOR_MARK  # noqa: E402 - after the path to it
from vitbench.runs.process import MARK  # noqa: E402

KINDS = {
    "played": ("tests.runs.walks", "a worker that only counts, without torch"),
    "real": ("tests.runs.real_walks", "a worker that trains a tiny network on the CPU"),
}


def start(kind: str, seed: str, count: int, seconds: float) -> "subprocess.Popen[str]":
    """Starts one program of walks."""
    environment = {**os.environ, MARK: ROOM_FOR_MARK, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", KINDS[kind][0], seed, str(count), str(seconds)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment)


def walk(wanted: dict[str, int], seed: str, seconds: float, processes: int) -> dict[str, Counter[str]]:
    """What the walks of each kind did, in `processes` programs a kind that walk at the same time."""
    started = [
        (kind, start(kind, f"{seed}-{number}", -(-count // processes), seconds))
        for kind, count in wanted.items()
        for number in range(processes)
    ]
    results = {kind: Counter[str]() for kind in wanted}
    for kind, program in started:
        printed, problem = program.communicate()
        if program.returncode:
            results[kind]["disagreements"] += 1
            print(problem, file=sys.stderr)
        else:
            results[kind].update(json.loads(printed))
    return results


def report(results: dict[str, Counter[str]], wanted: dict[str, int], seed: str, processes: int) -> str:
    """The text of the results file."""
    load = os.getloadavg()[2]
    lines = [
        "# Random walks over the states of runs",
        "",
        describe("torch"),
        f"- seed: {seed}; {processes} programs of each kind at the same time, {load:.0f} processes ready on average",
        "",
        "A walk is eight steps of one app, or two at once, on two stores, with GPUs that exist by name only. In every",
        "second walk each app, worker and scheduler is killed with probability 1/4, at a random file operation.",
        "After each step disk, processes and locks agree; at the end every run goes on to its end, with all its",
        "steps, and (real workers) with the weights of an undisturbed run, to the bit.",
        "",
        "| worker | walks asked for | walks | disagreements | seconds | workers and schedulers started | apps killed |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, result in results.items():
        lines.append(
            f"| {KINDS[kind][1]} | {wanted[kind]:,} | {result['walks']:,} | {result['disagreements']} | "
            f"{result['seconds'] / processes:,.0f} | {result['processes']:,} | {result['apps killed']:,} |"
        )
    actions = sorted({name for result in results.values() for name in result} - NOT_ACTIONS)
    lines += ["", "| step | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    for action in actions:
        lines.append(f"| {action} | " + " | ".join(f"{result[action]:,}" for result in results.values()) + " |")
    return "\n".join(lines) + "\n"


NOT_ACTIONS = {"walks", "seconds", "processes", "apps killed", "disagreements"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--played", type=int, default=2000)
    parser.add_argument("--real", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", default="20211")
    chosen = parser.parse_args()
    wanted = {"played": chosen.played, "real": chosen.real}
    results = walk(wanted, chosen.seed, chosen.seconds, chosen.processes)
    RESULT.write_text(report(results, wanted, chosen.seed, chosen.processes))
    print(RESULT.read_text())
    return int(any(result["disagreements"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
