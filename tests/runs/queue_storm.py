"""Kills over a queue: `python -m tests.runs.queue_storm SEED RUNS KILLS played|real`.

Many short runs wait for two CPU slots, while schedulers and workers are killed at random moments. Whoever looks starts
another scheduler, and resumes what crashed, as a person would. Every run has to finish, once, with all its steps, and
(real workers) with the weights that it has in a queue which nobody disturbs, to the bit. Prints what was done as JSON.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.runs.agreement import Disagreement
from tests.runs.walking import ROOM_FOR_MARK, World, adopt_orphans, reap_all
from vitbench.recipe import Recipe
from vitbench.runs import control, launcher
from vitbench.runs.checkpoints import WEIGHTS_NAME
from vitbench.runs.process import MARK, mark_of_process, start_ticks
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store

SLOTS = 2
LONGEST = 3600.0
"""Seconds in which a queue ends, on a busy machine."""


class Queue:
    """A store whose runs all wait for two slots, and the processes that work on them."""

    def __init__(self, folder: Path, chance: random.Random, world_kind: type[World], pause: float) -> None:
        folder.mkdir()
        self.world = world_kind(folder, chance, 0.0)
        self.store = Store(folder / "store")
        self.folder, self.chance, self.pause = folder, chance, pause
        self.counts: Counter[str] = Counter()
        self.ended_at: dict[str, float] = {}

    def command(self, action: Callable[[], str]) -> str:
        """What a command of a person answers, in a process of its own."""
        result = self.folder / "result"
        result.unlink(missing_ok=True)
        pid = self.world.act(action, result, None)
        while start_ticks(pid) is not None:
            time.sleep(0.002)
        reap_all()
        answer = json.loads(result.read_text())
        if answer["outcome"] == "raised":
            raise Disagreement(answer["words"])
        return f"{answer['outcome']}: {answer['words']}"

    def run(self, recipes: list[Recipe], kills: int) -> list[Run]:
        """Queues all, and works until all have finished; kills are spread over the queue."""

        def make() -> str:
            for recipe in recipes:
                launcher.launch(self.store.create(recipe))
            return ""

        self.command(make)
        deadline = time.monotonic() + LONGEST
        while (finished := self.look()) < len(recipes):
            if time.monotonic() > deadline:
                raise Disagreement(f"{finished} of {len(recipes)} have finished: {self.states()}")
            time.sleep(self.chance.uniform(0, self.pause))
            due = min(kills, (finished + 1) * kills // (len(recipes) - 2) + 1)
            while self.counts["kills"] < due and self.living():
                self.kill()
                time.sleep(self.chance.uniform(0, self.pause / 4))
        if self.counts["kills"] < kills:
            raise Disagreement(f"only {self.counts['kills']} kills: all runs have finished")
        self.wait_until_quiet()
        return self.store.runs()

    def look(self) -> int:
        """How many have finished, after a look as that of `vitbench runs`; a run that crashed is resumed."""
        self.check_processes()
        seen = [(run, run.status()) for run in self.store.runs()]
        self.command(lambda: attend(self.store, seen))
        finished = 0
        for run, status in seen:
            if status.state == "finished":
                finished += 1
                ended_at = status.ended_at or 0.0
                if self.ended_at.setdefault(run.id, ended_at) != ended_at:
                    raise Disagreement(f"{run.id} finished twice")
            elif run.id in self.ended_at:
                raise Disagreement(f"{run.id} had finished, and is {status.state}")
            elif status.state == "crashed":
                self.counts["resumed"] += 1
                self.command(lambda run=run: control.resume(run))  # type: ignore[misc]
            elif status.state not in ("queued", "running"):
                raise Disagreement(f"{run.id} is {status.state}: {status.error}")
        return finished

    def living(self) -> list[tuple[str, int, str]]:
        """The workers and schedulers that live."""
        reap_all()
        return [row for row in self.world.registered() if start_ticks(row[1]) is not None]

    def check_processes(self) -> None:
        """No more workers than slots, and one for a run."""
        marks = [mark_of_process(pid) for kind, pid, _ in self.living() if kind == "worker"]
        marks = [mark for mark in marks if mark]
        if len(marks) > SLOTS or len(set(marks)) < len(marks):
            raise Disagreement(f"workers of {marks} work at once")

    def kill(self) -> None:
        """SIGKILL to a worker or, in a third of the cases, to a scheduler, if one lives."""
        kind = self.chance.choice(("worker", "worker", "scheduler"))
        if victims := [pid for one, pid, _ in self.living() if one == kind]:
            os.kill(self.chance.choice(victims), signal.SIGKILL)
            self.counts["kills"] += 1
            self.counts[f"{kind}s killed"] += 1

    def wait_until_quiet(self) -> None:
        """Until no process of the queue lives."""
        deadline = time.monotonic() + 120
        while living := self.living():
            if time.monotonic() > deadline:
                raise Disagreement(f"these stay: {living}")
            time.sleep(0.01)

    def states(self) -> dict[str, str]:
        """Where the runs stand."""
        return {run.id: f"{(status := run.status()).state} {status.waits_for or ''}" for run in self.store.runs()}

    def end(self) -> None:
        """Leaves no process."""
        for _ in range(3):
            for _, pid, _ in self.living():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        reap_all()


class Kind:
    """Runs whose worker only counts."""

    world: type[World] = World
    pause = 0.06

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def recipe(self, number: int) -> Recipe:
        """That of the run of this number."""
        values = {"epochs": 30, "seed": 0, "device": "cpu"}
        return Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "x"}, "train": values})

    def result(self, run: Run) -> str:
        """What a run has come to, which kills may not change. Raises Disagreement if a step is missing."""
        steps = [int(line) for line in (run.folder / "steps").read_text().split()]
        if set(steps) != set(range(1, 31)):
            raise Disagreement(f"{run.id} finished with the steps {steps}")
        return (run.checkpoint("last").folder / WEIGHTS_NAME).read_text()


def real_kind() -> type[Kind]:
    """Runs that train a tiny network, each with a seed of its own; torch is imported here."""
    import hashlib

    from tests.runs.real_walks import STEPS, RealWorld, final_weights
    from tests.training.worker_for_tests import worker_recipe, write_pictures
    from vitbench.runs.events import EventReader

    class RealKind(Kind):
        world = RealWorld
        pause = 1.0

        def __init__(self, folder: Path) -> None:
            self.pictures = write_pictures(folder / "pictures")

        def recipe(self, number: int) -> Recipe:
            return worker_recipe(self.pictures, train={"seed": number})

        def result(self, run: Run) -> str:
            reader = EventReader(run.folder)
            reader.read()
            if (steps := reader.series["train/loss"].steps.tolist()) != list(range(1, STEPS + 1)):
                raise Disagreement(f"{run.id} finished with the steps {steps}")
            return hashlib.sha256(final_weights(run)).hexdigest()

    return RealKind


def storm(seed: str, count: int, kills: int, kind: type[Kind]) -> None:
    """A quiet queue and a disturbed one of the same recipes."""
    assert os.environ.get(MARK) == ROOM_FOR_MARK
    adopt_orphans()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vitbench-queue-") as place:
        os.environ |= {"VITBENCH_GPUS": "", "VITBENCH_SLOTS": str(SLOTS), "VITBENCH_GPU_LOCKS": place}
        folder = Path(place)
        what = kind(folder)
        recipes = [what.recipe(number) for number in range(count)]
        results: dict[str, dict[int, str]] = {}
        counts: Counter[str] = Counter()
        for name, number in (("quiet", 0), ("disturbed", kills)):
            queue = Queue(folder / name, random.Random(f"{seed}/{name}"), kind.world, what.pause)
            try:
                runs = queue.run(recipes, number)
                # Runs of one second have names in any order; a seed is the number of its recipe.
                results[name] = {place: what.result(run) for place, run in enumerate(in_order_made(runs))}
            finally:
                queue.end()
            counts.update(queue.counts)
            counts[f"processes of the {name} queue"] = len(queue.world.registered())
        different = sum(results["quiet"][place] != results["disturbed"][place] for place in range(count))
        if different or len(results["disturbed"]) != count:
            raise Disagreement(f"{different} of {count} runs ended with other weights")
    print(json.dumps({"runs": count, "seconds": round(time.monotonic() - began, 1), **counts}))


def in_order_made(runs: list[Run]) -> list[Run]:
    """By the moment at which they were made."""
    return sorted(runs, key=lambda run: run.status().created_at)


if __name__ == "__main__":
    storm(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), real_kind() if sys.argv[4] == "real" else Kind)
