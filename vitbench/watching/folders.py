"""Which folders of event files are one run.

TensorBoard calls each folder a run. Tools do not: Keras writes one training into `train/` and `validation/`, PyTorch's
`add_hparams` (Hugging Face and Lightning use it) into a numbered folder inside the run's, and `add_scalars` each line
of one chart into a folder `TAG_LINE` inside it. Those are put together here; every other folder is a run of its own.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.runs.events import name_time
from vitbench.runs.packed import UNPACKING_ERRORS, read_beginning
from vitbench.runs.records import read_batch
from vitbench.watching.event_files import is_event_file

_SPLITS = frozenset(
    {"train", "training", "validation", "val", "valid", "test", "eval", "evaluation", "train_eval", "eval_train"}
)
"""Folders that hold one split of the run that the folder above them is."""
_NUMBERED = re.compile(r"\d{9,}(\.\d+)?(\.\d+)?")
"""A time as the name of a folder: what `add_hparams` makes."""
_MOST_FOLDERS = 50_000
"""Folders that are looked into below one path: a home folder, named by mistake, is not walked for minutes."""
_BEGINNING = 2**16
"""Bytes of a file that are read to see which scalar it holds."""

LOG_ID = "log:"
"""What the id of every log begins with; no id of a run of the store has a colon."""


@dataclass(frozen=True)
class LogFolder:
    """A folder with event files. What stands before the tags of its scalars is `prefix`; `tag` is the scalar whose
    lines `add_scalars` has written, with the name of this one as `line`."""

    folder: Path
    prefix: str = ""
    tag: str = ""
    line: str = ""


@dataclass(frozen=True)
class Log:
    """One run of another tool: its folders, its own first."""

    root: Path
    """The path that was named, below which it was found."""
    folder: Path
    name: str
    parts: tuple[LogFolder, ...]

    @property
    def id(self) -> str:
        """What it is called among the runs of a store."""
        return f"{LOG_ID}{self.folder}"


@dataclass
class Found:
    """The logs below some paths, and a sentence for what could not be looked into."""

    logs: list[Log] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def event_files_of(folder: Path) -> list[Path]:
    """The event files of one folder, packed ones too, oldest first, whatever stands before `tfevents` in a name."""
    try:
        with os.scandir(folder) as entries:
            files = [Path(entry.path) for entry in entries if is_event_file(entry.name)]
    except OSError:
        return []
    return sorted(files, key=lambda file: (name_time(file), file.name))


def find_logs(roots: Sequence[Path]) -> Found:
    """The runs below each path, at any depth, in the order of their names."""
    found = Found()
    names: set[str] = set()
    seen: set[tuple[int, int]] = set()
    for root in roots:
        folders = _folders_below(root, found.problems, seen)
        for log in _as_runs(root, folders, len(roots) > 1):
            name, number = log.name, 2
            while name in names:
                name, number = f"{log.name} ({number})", number + 1
            names.add(name)
            found.logs.append(log if name == log.name else Log(log.root, log.folder, name, log.parts))
    return found


def _folders_below(root: Path, problems: list[str], seen: set[tuple[int, int]]) -> list[Path]:
    """Folders with event files, each real one once, a folder before those in it."""
    found: list[Path] = []
    looked = 0

    def refused(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be looked into: {error.strerror}.")

    for here, folders, files in os.walk(root, followlinks=True, onerror=refused):
        looked += 1
        if looked > _MOST_FOLDERS:
            problems.append(f"{root} holds more than {_MOST_FOLDERS:,} folders; only these are looked into.")
            break
        try:
            facts = os.stat(here)  # noqa: PTH116 - os.walk gives text, and there may be many
        except OSError:
            folders.clear()
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(map(is_event_file, files)):
            found.append(Path(here))
    return found


def _as_runs(root: Path, folders: Sequence[Path], many_roots: bool) -> list[Log]:
    holding = set(folders)
    parts: dict[Path, list[LogFolder]] = {}
    for folder in folders:
        owner, part = _owner(folder, root, holding)
        parts.setdefault(owner, []).append(part)
    logs = []
    for owner, own in sorted(parts.items()):
        relative = "" if owner == root else str(owner.relative_to(root))
        first = root.resolve().name or str(root)
        name = relative if relative and not many_roots else "/".join(filter(None, (first, relative)))
        logs.append(Log(root, owner, name, tuple(sorted(own, key=lambda part: (part.folder != owner, part.folder)))))
    return logs


def _owner(folder: Path, root: Path, holding: set[Path]) -> tuple[Path, LogFolder]:
    """The folder of the run that `folder` belongs to, and how its scalars are called there."""
    above = folder.parent
    if folder == root:
        return folder, LogFolder(folder)
    if folder.name.lower() in _SPLITS:
        return above, LogFolder(folder, f"{folder.name}/")
    if above in holding:
        if _NUMBERED.fullmatch(folder.name):
            owner, part = _owner(above, root, holding)
            return owner, LogFolder(folder, part.prefix)
        if line := _line_of_add_scalars(folder):
            owner, part = _owner(above, root, holding)
            return owner, LogFolder(folder, part.prefix, *line)
    return folder, LogFolder(folder)


def _line_of_add_scalars(folder: Path) -> tuple[str, str] | None:
    """Tag and line, where a folder `TAG_LINE` holds nothing but a scalar TAG."""
    files = event_files_of(folder)
    try:
        tags = list(read_batch(read_beginning(files[0], _BEGINNING)).points)
    except (*UNPACKING_ERRORS, IndexError):
        return None
    if len(tags) != 1:
        return None
    start = tags[0].replace("/", "_") + "_"
    return (tags[0], folder.name[len(start) :]) if folder.name.startswith(start) and folder.name != start else None
