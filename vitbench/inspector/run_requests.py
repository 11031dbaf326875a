"""What the screens ask about runs: the memory and time that one will take, and how good one is."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.files.parsing import parse_toml
from vitbench.inspector.borrowed_gpu import BorrowedGpu
from vitbench.inspector.handlers import Handler, Reply
from vitbench.progress import Progress
from vitbench.recipe import parse_recipe
from vitbench.runs.lease import outer_environment


class RunRequests:
    """The handlers about runs."""

    def __init__(self, store: Path, gpu: BorrowedGpu, leave_gpu: Callable[[], None]) -> None:
        """`leave_gpu` moves what the inspector holds off its GPU, and gives it back."""
        self.store = store
        self.gpu = gpu
        self.leave_gpu = leave_gpu
        self.handlers: Mapping[str, Handler] = {
            "check_recipe": self.check_recipe,
            "readings": self.readings,
            "estimate": self.estimate,
            "evaluate": self.evaluate,
            "neighbours": self.neighbours,
        }

    def check_recipe(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """What is `recognised` in the data of the `recipe` (TOML), and the `problems` of the recipe as a whole.

        Where the meaning of the data is open, also the `readings` to choose from: pairs of --as and words.
        """
        from vitbench.training.check import check_recipe

        progress(0, 0, "looking at the data")
        recipe = parse_recipe(parse_toml(str(arguments["recipe"]), "the recipe"), "the recipe").anchored()
        check = check_recipe(recipe, self.store, progress)
        return Reply(
            {
                "recognised": check.recognised,
                "problems": check.problems,
                "pictures": check.pictures,
                "readings": [[reading.layout, reading.words] for reading in check.readings],
            }
        )

    def readings(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """The `readings` of `data` for a `task`: pairs of --as and words."""
        from vitbench.captions.readings import readings

        progress(0, 0, "looking for ways to read the data")
        found = readings(str(arguments["data"]), str(arguments.get("task") or "classify"))
        return Reply({"readings": [[reading.layout, reading.words] for reading in found]})

    def evaluate(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """`network`, on labelled pictures in `data` or without it on its run's own.

        Gives the report's `sentence`, how many files were `left_out`, and the `name` of the run's new evaluation.
        """
        from vitbench.training.evaluating import evaluate

        progress(0, 0, "opening network and pictures")
        with self.gpu.use() as device:
            evaluated = evaluate(
                str(arguments["network"]),
                self.store,
                data=str(arguments.get("data") or "") or None,
                device=device,
                progress=progress,
            )
        left_out = sum(problem.left_out for problem in evaluated.data.problems) + len(evaluated.evaluation.left_out)
        name = evaluated.file.name if evaluated.file else ""
        sentence = evaluated.evaluation.sentence() + (f", {evaluated.where}" if evaluated.where else "")
        return Reply({"sentence": sentence, "left_out": left_out, "name": name})

    def neighbours(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """How often the nearest neighbours in `data` (else in its run's own) have the label of a picture, as `lines`.

        Of the features of `network` after a `layer` (else the last), at an `image_size` (else its own).
        """
        from vitbench.requests.sizes import read_image_size
        from vitbench.training.neighbours import neighbours_of

        progress(0, 0, "opening network and pictures")
        with self.gpu.use() as device:
            found = neighbours_of(
                str(arguments["network"]),
                self.store,
                data=str(arguments.get("data") or "") or None,
                layer=arguments.get("layer"),
                image_size=read_image_size(arguments.get("image_size")),
                device=device,
                progress=progress,
            )
        return Reply({"lines": found.lines()})

    def estimate(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Memory and time of the `recipe` (TOML), measured by a process of its own, which a cancellation ends.

        That process takes a GPU as a run does, so ours is left to it. Raises UserError with its reason where it fails.
        """
        self.leave_gpu()
        with tempfile.TemporaryFile() as recipe, tempfile.TemporaryFile("w+") as answer:
            recipe.write(str(arguments["recipe"]).encode(errors="replace"))
            recipe.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", "vitbench.training.estimate", str(self.store)],
                stdin=recipe,
                stdout=answer,
                env=outer_environment(),
            )
            try:
                while process.poll() is None:
                    progress(0, 0, "measuring a few steps")
                    try:
                        process.wait(0.3)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            answer.seek(0)
            lines = answer.read().splitlines()
        if process.returncode or not lines:
            raise UserError(f"The steps could not be measured: their process ended with code {process.returncode}.")
        values = json.loads(lines[-1])
        if "refused" in values:
            raise UserError(values["refused"])
        return Reply(values)
