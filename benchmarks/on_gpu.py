"""What only a GPU can show, in steps that are each short: speed, exact resume, leases, maps, and what memory does.

    python benchmarks/on_gpu.py [--step NAME ...] [--size small|full] [--out FOLDER] [--minutes N]

Each step is a process of its own, ended when it takes too long, and writes what it has found at once: FOLDER holds
`results.json` and `on_gpu.md`, whenever this is cut off. Without a GPU, steps that need one say so, and the others
compute on the CPU. `--size full` is for a GPU with 40 GB or more.
"""

import argparse
import importlib
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# Workers are processes of their own, and need not find an installation.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

from gpu.bench import Bench, NotRun, note_machine, summary  # noqa: E402 - after the path to it

STEPS = {
    "peak": 40,
    "train": 230,
    "resume": 90,
    "lease": 180,
    "maps": 60,
    "oom": 90,
    "resume_compiled": 200,
    "estimate": 90,
    "loader": 60,
    "watch": 60,
    "small": 120,
}
"""The most seconds that each step may take. The first five take about eight minutes together."""


def run_step(bench: Bench) -> None:
    """One step, in a process of its own; whatever happens is written down."""
    try:
        bench.begin()
        importlib.import_module(f"gpu.{bench.step}").run(bench)
        bench.end("done")
    except NotRun as reason:
        bench.end("not run", str(reason))
    except BaseException as error:  # noqa: BLE001 - the boundary: the other steps are to be run all the same
        traceback.print_exc()
        bench.end("failed", f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", nargs="+", choices=list(STEPS), default=list(STEPS), help="which, in this order")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "on_gpu")))
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no step after so many")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed = 0
    with tempfile.TemporaryDirectory() as store:
        note_machine(out, arguments.size)
        if not Bench("", arguments.size, out, Path(store)).has_gpu:
            os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other are slower than one
        # What all steps import, once; CUDA is not called here, so that each child may.
        import vitbench.training.open_classification
        import vitbench.training.work  # noqa: F401 - for the children

        for step in arguments.step:
            bench = Bench(step, arguments.size, out, Path(store))
            if time.monotonic() - began > arguments.minutes * 60:
                bench.end("not run", f"{arguments.minutes:g} minutes were over")
                continue
            process = multiprocessing.get_context("fork").Process(target=run_step, args=(bench,))
            process.start()
            process.join(STEPS[step])
            if process.is_alive():
                process.kill()
                process.join()
                bench.end("cut off", f"it took more than {STEPS[step]} seconds")
            bench.end_of_process(process.exitcode)
            bench.clear()
            bench.wait_for_gpu()
            failed += process.exitcode != 0
            print(summary(out, step), flush=True)
    print(f"All of it took {time.monotonic() - began:.0f} s; see {out / 'on_gpu.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
