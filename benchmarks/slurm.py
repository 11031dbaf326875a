"""What the tests on a real SLURM of one node say: `python benchmarks/slurm.py [pytest arguments]`, as root, on Debian.

`make test-slurm` runs the same tests once it has installed slurm-wlm and munge. They take half an hour.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from result_file import RESULTS, ResultFile

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    out = RESULTS / "slurm.log"
    result = ResultFile("slurm", "Runs on a real SLURM of one node", "submitit", "torch", out=out)
    daemons = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        for command in (["slurmctld", "-V"], ["munged", "--version"])
    ]
    result.say(f"- {', '.join(daemons)}\n")
    command = [sys.executable, "-m", "pytest", "-v", "-rA", "--no-header", "-p", "no:cacheprovider", "tests/slurm"]
    process = subprocess.run(
        [*command, *sys.argv[1:]],
        cwd=ROOT,
        env={**os.environ, "VITBENCH_TEST_SLURM": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = re.search(r"(\d+) passed", process.stdout)
    result.goal(f"all of them pass ({passed[1] if passed else 0} did)", process.returncode == 0)
    result.say(f"\n```\n{process.stdout.strip()}\n```")
    result.write()
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
