"""50 random kills of schedulers and workers over a queue of 30 short trainings; writes `results/queue_storm.md`.

    python benchmarks/queue_storm.py [--runs 30] [--kills 50] [--seed 50]

What is done stands in `tests/runs/queue_storm.py`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from machine import describe

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).resolve().parent / "results" / "queue_storm.md"
sys.path.insert(0, str(ROOT))

from tests.runs.walking import ROOM_FOR_MARK  # noqa: E402 - after the path to it
from vitbench.runs.process import MARK  # noqa: E402 - as above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", default="50")
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "tests.runs.queue_storm", chosen.seed, str(chosen.runs), str(chosen.kills), "real"]
    environment = {**os.environ, MARK: ROOM_FOR_MARK, "OMP_NUM_THREADS": "1"}
    program = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment, check=True)
    counts = json.loads(program.stdout.splitlines()[-1])
    lines = [
        "# Kills over a queue",
        "",
        describe("torch"),
        f"- seed: {chosen.seed}; {os.getloadavg()[2]:.0f} processes ready on average",
        "",
        "Short trainings of a tiny network, each with a seed of its own, wait for two CPU slots. SIGKILL hits workers",
        "and schedulers at random moments; whoever looks starts another scheduler, and resumes what crashed. All have",
        "finished, each once, with every step once, and with the weights, to the bit, that it has in a queue which",
        "nobody disturbs. Never were there more workers than slots, or two for a run.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {count:,} |" for name, count in counts.items()),
    ]
    RESULT.write_text("\n".join(lines) + "\n")
    print(RESULT.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
