"""What the new-run screen asks: the memory and time that a run will take."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.inspector.server import Handler, Reply
from vitbench.progress import Progress


class RunRequests:
    """The handlers about runs that have not begun."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.handlers: Mapping[str, Handler] = {"estimate": self.estimate}

    def give_back(self) -> None:
        """Nothing is kept."""

    def estimate(self, arguments: dict[str, Any], progress: Progress) -> Reply:
        """Memory and time of the `recipe` (TOML), measured by a process of its own, which a cancellation ends."""
        with tempfile.TemporaryFile("w+") as recipe, tempfile.TemporaryFile("w+") as answer:
            recipe.write(str(arguments["recipe"]))
            recipe.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", "vitbench.training.estimate", str(self.store)], stdin=recipe, stdout=answer
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
