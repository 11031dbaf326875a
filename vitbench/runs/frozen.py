"""What a run was queued with: its recipe, its data and the packages, so that a difference at its start can be said.

`queued.json` in the run folder is written once, when the run is queued. Data are known by the names, sizes and times
of their files, which takes a moment also where the contents are terabytes.
"""

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.reading import RECIPE, read_bytes
from vitbench.files.writing import write_whole
from vitbench.recipe import Recipe
from vitbench.runs.store import Run
from vitbench.text import counted

FILE = "queued.json"
DECIDE_BITS = ("torch", "torchvision", "timm", "numpy", "pillow")
"""The packages whose versions decide on the weights of a run; that of vitbench is in the run's status."""
_LONGEST = 5.0
"""Seconds that a look at the data may take: the run is held meanwhile, and nobody can pause it."""


@dataclass(frozen=True)
class DataState:
    """A data set as its files are listed; `names` hashes their paths and sizes, `times` also when they were written."""

    files: int
    bytes: int
    names: str
    times: str


def freeze(run: Run, recipe: Recipe) -> None:
    """Writes down what the run is queued with, if that was not done before. Raises OSError."""
    file = run.folder / FILE
    if file.exists():
        return
    data = data_state(recipe.data.path)
    document = {
        "time": time.time(),
        "recipe": _hash_of_recipe(run),
        "packages": _packages(),
        "data": vars(data) if data is not None else None,
    }
    write_whole(file, to_json(document, indent=1))


def differences(run: Run, recipe: Recipe) -> list[str]:
    """What is not as it was when the run was queued, a sentence each; empty for a run that never waited."""
    try:
        document = read_json_object(run.folder / FILE)
    except FileNotFoundError:
        return []
    except UserError as error:
        return [f"What the run was queued with cannot be read, so nothing is compared with it: {error}"]
    said = []
    if document.get("recipe") != _hash_of_recipe(run):
        said.append("recipe.toml in the run's folder has been edited since the run was queued; it is trained as it is.")
    before, now = document.get("packages"), _packages()
    if isinstance(before, dict):
        said += [
            f"{name} is {now[name] or 'missing'}, and was {before.get(name) or 'missing'} when the run was queued."
            for name in DECIDE_BITS
            if before.get(name) != now[name]
        ]
    return said + _differences_of_data(document.get("data"), recipe.data.path)


def data_state(path: str, longest: float = _LONGEST) -> DataState | None:
    """The state of a folder of data, or of a table; None for what is generated, is not there, or takes too long."""
    if not path or path.startswith("scenes:"):
        return None
    until = time.monotonic() + longest
    rows, ahead = list[tuple[str, int, int]](), [path]
    try:
        found = Path(path).stat()
        if stat.S_ISREG(found.st_mode):
            rows.append((Path(path).name, found.st_size, found.st_mtime_ns))
            ahead = []
        while ahead:
            with os.scandir(ahead.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    rows.append((os.path.relpath(entry.path, path), status.st_size, status.st_mtime_ns))
            if time.monotonic() > until:
                return None
    except (OSError, ValueError):
        return None
    rows.sort()
    names, times = hashlib.sha256(), hashlib.sha256()
    for name, size, written in rows:
        names.update(os.fsencode(name) + b"\0%d\n" % size)
        times.update(os.fsencode(name) + b"\0%d\n" % written)
    return DataState(len(rows), sum(size for _, size, _ in rows), names.hexdigest(), times.hexdigest())


def _differences_of_data(before: object, path: str) -> list[str]:
    if path.startswith("scenes:"):
        return []
    if not isinstance(before, dict):
        return [f"The data in {path} were not listed when the run was queued: a change since then is not noticed."]
    now = data_state(path)
    if now is None:
        return [f"The data in {path} could not be compared with those that the run was queued with."]
    if before.get("names") != now.names:
        files, size = before.get("files"), before.get("bytes")
        then = (
            f"{counted(files, 'file')} with {size:,} bytes"
            if isinstance(files, int) and isinstance(size, int)
            else "others"
        )
        return [
            f"The data in {path} have changed since the run was queued: there are {counted(now.files, 'file')} with "
            f"{now.bytes:,} bytes; there were {then}."
        ]
    if before.get("times") != now.times:
        return [f"Files in {path} have been written anew since the run was queued, with the names and sizes of before."]
    return []


def _hash_of_recipe(run: Run) -> str:
    try:
        return hashlib.sha256(read_bytes(run.folder / "recipe.toml", RECIPE)).hexdigest()
    except OSError:
        return ""


def _packages() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in DECIDE_BITS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
