"""Anybody's event files: a file, a compressed one, or all of a folder at any depth, as series with their folders.

Keras writes `train/` and `validation/`, Lightning `version_0/`, Hugging Face a folder a start; TensorBoard calls each
folder a run, and so its scalars are told apart here by the folder before their tags.
"""

import gzip
import os
import tempfile
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.reading import EVENTS, open_file
from vitbench.runs.events import EventReader, Series

_LARGEST_UNPACKED = 4 * 1024**3
_PIECE = 2**20


@dataclass
class Logs:
    """The scalars of event files by tag, with `folder/` before it where they lie below the path that was named."""

    series: dict[str, Series] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_event_file(name: str) -> bool:
    """Whether a file is TensorBoard's by its name; `.gz` may follow."""
    return "tfevents" in name and not name.endswith((".tmp", ".profile-empty"))


def event_files_below(path: Path) -> list[Path]:
    """The event files that a path names: itself, or all below a folder at any depth, each real folder once."""
    if path.is_file():
        return [path]
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(path, followlinks=True):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here) / name for name in sorted(files) if is_event_file(name)]
    return found


def read_logs(path: Path) -> Logs:
    """The scalars of the event files that `path` names. Raises UserError if there are none, or a file is none."""
    files = event_files_below(path)
    if not files:
        raise UserError(f"There are no TensorBoard event files (events.out.tfevents.*) in {path} or below it.")
    root = path if path.is_dir() else path.parent
    folders: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        folders[file.parent].append(file)
    logs = Logs()
    for folder, own in folders.items():
        prefix = "" if folder == root else f"{os.path.relpath(folder, root)}/"
        reader, unreadable = _read(own)
        logs.problems += [*(f"{prefix}{problem}" for problem in reader.problems), *unreadable]
        for tag, series in reader.series.items():
            logs.series[f"{prefix}{tag}"] = series
    if path.is_file() and not logs.series:
        why = f" ({logs.problems[0].rstrip('.')})" if logs.problems else ""
        raise UserError(f"{path} holds no scalars of a TensorBoard event file{why}.")
    return logs


def _read(files: list[Path]) -> tuple[EventReader, list[str]]:
    """A reader that has read the files of one folder, in the order of their times, and what could not be unpacked."""
    problems = []
    with tempfile.TemporaryDirectory(prefix="vitbench-") as place:
        for number, file in enumerate(files):
            name = file.name.removesuffix(".gz")
            # Names that TensorBoard did not choose are read too; their number keeps equal ones apart.
            usual = name.startswith("events.out.tfevents.")
            link = Path(place) / (name if usual else f"events.out.tfevents.0.{number}.{name}")
            link = link if not os.path.lexists(link) else link.with_name(f"{link.name}.{number}")
            try:
                if file.name.endswith(".gz"):
                    _unpack(file, link)
                else:
                    link.symlink_to(file.absolute())
            except (OSError, EOFError, zlib.error, UserError) as error:
                problems.append(f"{file.name} cannot be unpacked: {str(error).rstrip('.')}.")
        reader = EventReader(Path(place))
        reader.read()
    return reader, problems


def _unpack(file: Path, target: Path) -> None:
    """Unpacks a gzip file. What is before a damage is kept, as of any log that was cut."""
    with open_file(file, EVENTS) as raw, gzip.GzipFile(fileobj=raw) as stream, target.open("wb") as out:
        size = 0
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > _LARGEST_UNPACKED:
                raise UserError(f"it has more than {_LARGEST_UNPACKED // 1024**3} GB unpacked")
            out.write(piece)
