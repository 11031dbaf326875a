"""Random walks with real workers: `python -m tests.runs.real_walks SEED COUNT SECONDS`.

They train a tiny network on the CPU. However a run was paused, killed, copied and moved, where it finishes its weights
are those of a run that nobody disturbed, to the bit, and every step is in its events.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.runs.walking import World
from tests.runs.walks import Disagreement, Walk, walk
from tests.training.worker_for_tests import worker_recipe, write_pictures
from vitbench.recipe import Recipe
from vitbench.runs.events import EventReader
from vitbench.runs.store import Run, Store
from vitbench.training import classification, work, worker

__all__ = ["classification", "work"]  # imported once, before the workers are forked
STEPS = 18


class RealWorld(World):
    """Its workers train."""

    operations = 2000

    def work(self, folder: Path) -> int:
        return worker.main(folder)


class RealWalk(Walk):
    """All runs have one recipe, whose undisturbed weights are known."""

    world_kind = RealWorld
    what: Recipe
    weights: bytes

    def recipe(self) -> Recipe:
        return self.what

    def check_steps(self, run: Run) -> None:
        if final_weights(run) != self.weights:
            raise Disagreement(f"{run.id} finished with other weights")
        reader = EventReader(run.folder)
        reader.read()
        steps = reader.series["train/loss"].steps.tolist()
        if steps != list(range(1, STEPS + 1)):
            raise Disagreement(f"{run.id} finished with the steps {steps}")


def final_weights(run: Run) -> bytes:
    """The bytes of the last checkpoint's weights."""
    return (run.checkpoint("last").folder / "model.safetensors").read_bytes()


def main() -> int:
    """Trains one run in peace, and then walks."""
    with tempfile.TemporaryDirectory(prefix="vitbench-real-walk-") as folder:
        RealWalk.what = worker_recipe(write_pictures(Path(folder) / "pictures"))
        quiet = Store(Path(folder) / "store").create(RealWalk.what)
        pid = os.fork()
        if not pid:
            os._exit(worker.main(quiet.folder))
        assert os.waitpid(pid, 0)[1] == 0, (quiet.folder / "log.jsonl").read_text()
        RealWalk.weights = final_weights(quiet)
        return walk(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), RealWalk)


if __name__ == "__main__":
    sys.exit(main())
