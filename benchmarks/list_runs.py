"""Lists 2,000 finished runs, cold and again.   python benchmarks/list_runs.py [--runs 2000]"""

import argparse
import shutil
import tempfile
import time

from result_file import ResultFile

from vitbench.recipe import Recipe
from vitbench.runs.status import Best, Status, write_status
from vitbench.runs.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    count = parser.parse_args().runs
    result = ResultFile("list_runs", f"Listing {count:,} finished runs", "pydantic")
    recipe = Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}})
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        run = store.create(recipe, name="run")
        best = Best(metric="accuracy", value=0.9, step=7)
        write_status(run.folder, Status(state="finished", step=7, best=best, latest={"train/loss": 0.1}))
        for number in range(1, count):
            shutil.copytree(run.folder, run.folder.with_name(f"{run.id}-{number:05d}"))
        times = []
        for _ in range(2):
            began = time.perf_counter()
            states = [run.status().state for run in Store(folder).runs()]
            times.append(time.perf_counter() - began)
            assert states == ["finished"] * count
    result.say(f"First {times[0]:.2f} s, again {times[1]:.2f} s ({times[1] / count * 1e6:.0f} us a run).")
    result.write()


if __name__ == "__main__":
    main()
