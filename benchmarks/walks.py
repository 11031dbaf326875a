"""Random walks over the states of runs, in full; writes `results/walks.md`.

    python benchmarks/walks.py --played 2000 --real 200 [--seconds 3600] [--processes 2] [--seed 20211]

What a walk is stands in `tests/runs/walks.py`. No program starts after `--seconds`; the file says how many walks
there were. What disagreed is left in a folder of temporary files, with the steps of its walk and their seed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from machine import describe

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).resolve().parent / "results" / "walks.md"
sys.path.insert(0, str(ROOT))

from tests.runs.walking import ROOM_FOR_MARK  # noqa: E402 - after the path to it
from vitbench.runs.process import MARK  # noqa: E402 - as above

KINDS = {
    "played": ("tests.runs.walks", "a worker that only counts, without torch"),
    "real": ("tests.runs.real_walks", "a worker that trains a tiny network on the CPU"),
}
_IN_A_PROGRAM = 10
"""Walks of one program: a disagreement ends it."""
_LONGEST = 7200.0
"""Seconds after which a program begins no further walk."""


def one_program(kind: str, seed: str, count: int, folder: Path) -> Counter[str]:
    """What one program of `count` walks did; a disagreement, which ends it, goes to a file in `folder`."""
    environment = {**os.environ, MARK: ROOM_FOR_MARK, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", KINDS[kind][0], seed, str(count), str(_LONGEST)]
    program = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    lines = program.stdout.splitlines()
    result = Counter(json.loads(lines[-1]) if lines else {})
    if program.returncode:
        result["disagreements"] += 1
        file = folder / f"{kind}-{seed.replace('/', '-')}.txt"
        file.write_text(program.stderr)
        print(f"a disagreement: {file}", file=sys.stderr, flush=True)
    return result


def walk(wanted: dict[str, int], seed: str, seconds: float, processes: int, folder: Path) -> dict[str, Counter[str]]:
    """What the walks of each kind did, in `processes` programs at a time; none is started after `seconds`."""
    results = {kind: Counter[str]() for kind in wanted}
    began = time.monotonic()

    def take(kind: str, seed: str, count: int) -> None:
        if time.monotonic() - began < seconds:
            results[kind].update(one_program(kind, seed, count, folder))
            print(f"{time.monotonic() - began:,.0f} s, {kind}: {results[kind]['walks']:,}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(processes) as pool:
        shares = [
            (place / -(-count // _IN_A_PROGRAM), kind, f"{seed}-{place}", min(_IN_A_PROGRAM, count - begin))
            for kind, count in wanted.items()
            for place, begin in enumerate(range(0, count, _IN_A_PROGRAM))
        ]
        for future in [pool.submit(take, *share) for _, *share in sorted(shares)]:
            future.result()
    return results


def report(results: dict[str, Counter[str]], wanted: dict[str, int], seed: str, processes: int) -> str:
    """The text of the results file."""
    load = os.getloadavg()[2]
    lines = [
        "# Random walks over the states of runs",
        "",
        describe("torch"),
        f"- seed: {seed}; {processes} programs at a time, {load:.0f} processes ready on average",
        "",
        "A walk is eight steps of one app, or two at once, on two stores, with GPUs that exist by name only. In every",
        "second walk each app, worker and scheduler is killed with probability 1/4, at a random file operation.",
        "After each step disk, processes and locks agree; at the end every run goes on to its end, with all its",
        "steps, and (real workers) with the weights of an undisturbed run, to the bit.",
        "",
        "Seconds are those of all programs, one after the other.",
        "",
        "| worker | walks asked for | walks | disagreements | seconds | workers and schedulers started | apps killed |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, result in results.items():
        lines.append(
            f"| {KINDS[kind][1]} | {wanted[kind]:,} | {result['walks']:,} | {result['disagreements']} | "
            f"{result['seconds']:,.0f} | {result['processes']:,} | {result['apps killed']:,} |"
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
    problems = Path(tempfile.mkdtemp(prefix="vitbench-walks-"))
    results = walk(wanted, chosen.seed, chosen.seconds, chosen.processes, problems)
    RESULT.write_text(report(results, wanted, chosen.seed, chosen.processes))
    print(RESULT.read_text())
    return int(any(result["disagreements"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
