"""Anybody's event files: a file, a compressed one, or all of a folder at any depth, as series with their folders.

Keras writes `train/` and `validation/`, Lightning `version_0/`, Hugging Face a folder a start; TensorBoard calls each
folder a run, and so its scalars are told apart here by the folder before their tags.
"""

import os
import re
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vitbench.errors import UserError
from vitbench.runs.events import EventReader, Series
from vitbench.runs.packed import ENDING, UNPACKING_ERRORS, is_packed, unpack
from vitbench.text import counted

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_OTHER_LOGS = {
    "metrics.csv": "metrics.csv of Lightning's CSVLogger; its TensorBoardLogger writes event files",
    "trainer_state.json": "trainer_state.json of Hugging Face's Trainer; report_to=tensorboard writes event files",
    "history.csv": "a table of Keras's CSVLogger; its TensorBoard callback writes event files",
    "results.csv": "results.csv of Ultralytics; yolo settings tensorboard=True writes event files",
    "summary.csv": "summary.csv of timm's train.py, which writes no event files",
    "scalars.json": "scalars.json of OpenMMLab; its TensorboardVisBackend writes event files",
    "meta.yaml": "a folder of MLflow, which writes no event files: a SummaryWriter beside it does",
}
_OTHER_ENDINGS = {
    ".wandb": "a log of Weights & Biases; sync_tensorboard=True keeps event files too",
    ".log.json": "a log of OpenMMLab; its TensorboardLoggerHook writes event files",
}
_PACKED = (".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z")
"""Endings of event files that are packed in other ways than gzip."""
"""EventFiles of other kinds, by the names of their files, with the way to event files."""


@dataclass
class EventFiles:
    """The scalars of event files by tag, with `folder/` before it where they lie below the path that was named."""

    series: dict[str, Series] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def is_event_file(name: str) -> bool:
    """Whether a file is TensorBoard's by its name; `.gz` may follow."""
    return "tfevents" in name and not name.endswith((".tmp", ".profile-empty"))


def event_files_below(path: Path) -> list[Path]:
    """The event files that a path names: itself, or all below a folder at any depth, each real folder once."""
    return [path] if path.is_file() else [file for file in _files_below(path) if is_event_file(file.name)]


def _files_below(path: Path) -> list[Path]:
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(path, followlinks=True):
        facts = Path(here).stat()
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here) / name for name in sorted(files)]
    return found


def read_event_files(path: Path) -> EventFiles:
    """The scalars of the event files that `path` names. Raises UserError if there are none, or a file is none."""
    files = event_files_below(path)
    if not files:
        instead = _what_is_there(_files_below(path))
        raise UserError(f"There are no TensorBoard event files (events.out.tfevents.*) in {path} or below it{instead}.")
    root = path if path.is_dir() else path.parent
    folders: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        folders[file.parent].append(file)
    found = EventFiles()
    for folder, own in folders.items():
        prefix = "" if folder == root else f"{os.path.relpath(folder, root)}/"
        reader, unreadable = _read(own)
        found.problems += [f"{prefix}{problem}" for problem in (*_reader_problems(reader, own), *unreadable)]
        found.problems += [f"{prefix or root.name + '/'}: {said}" for said in _steps_that_go_back(reader, len(own))]
        for tag, series in reader.series.items():
            name = f"{prefix}{tag}"
            if name in found.series:
                # TensorBoard calls the folders two runs, so nothing tells that these are one scalar.
                name = f"{prefix.rstrip('/')}:{tag}"
                said = f"{prefix}{tag} is a scalar of two folders; that of {prefix} is called {name}."
                found.problems.append(said)
            found.series[name] = series
    if path.is_dir() and not found.series:
        found.problems.append(f"{counted(len(files), 'event file')} in {path}, and no scalar there.")
    if path.is_file() and not found.series:
        raise UserError(f"{path} holds no scalars of a TensorBoard event file{_why_not(path, found.problems)}.")
    return found


def _why_not(path: Path, problems: list[str]) -> str:
    """Why a file that was named has no scalars."""
    if path.name.endswith(_ARCHIVES):
        return ": it is an archive; unpack it and name the folder"
    if known := _other_log(path):
        return f": it is {known}"
    if any("damaged at byte 0;" in problem for problem in problems):
        return ": its first bytes are not those of one"
    return f" ({problems[0].rstrip('.')})" if problems else ""


def _what_is_there(files: list[Path]) -> str:
    """What a folder without event files holds instead, and what to do."""
    for file in files:
        if file.name.endswith(_ARCHIVES):
            return f"; {file.name} is an archive, which may hold some: unpack it"
        if known := _other_log(file):
            return f"; there is {known}"
    return ""


def _other_log(file: Path) -> str:
    by_ending = next((what for ending, what in _OTHER_ENDINGS.items() if file.name.endswith(ending)), "")
    return _OTHER_LOGS.get(file.name, "") or by_ending


def _steps_that_go_back(reader: EventReader, files: int) -> list[str]:
    """A sentence on scalars whose steps are not in their order, since their lines in a chart run back."""
    fallen = {tag: np.flatnonzero(np.diff(series.steps) < 0) for tag, series in sorted(reader.series.items())}
    fallen = {tag: places for tag, places in fallen.items() if places.size}
    if not fallen:
        return []
    tag, places = next(iter(fallen.items()))
    before, after = (int(reader.series[tag].steps[places[0] + number]) for number in (0, 1))
    which = f"of {len(fallen):,} scalars, such as {tag}," if len(fallen) > 1 else f"of {tag}"
    why = (
        f"{files} files were written here, by several processes or by a run that went on from an earlier step"
        if files > 1
        else "the run went on from an earlier step"
    )
    return [f"the steps {which} go back (from {before:,} to {after:,}): {why}; all points are kept."]


def _reader_problems(reader: EventReader, files: list[Path]) -> list[str]:
    """A reader's problems with the names that the files really have."""
    said = []
    for problem in reader.problems:
        number = re.match(r"events\.out\.tfevents\.0\.(\d+)\.", problem)
        rest = problem.partition(" ")[2]
        said.append(f"{files[int(number[1])].name} {rest}" if number and int(number[1]) < len(files) else problem)
    return said


def _read(files: list[Path]) -> tuple[EventReader, list[str]]:
    """A reader that has read the files of one folder, in the order of their times, and what could not be unpacked."""
    problems = []
    names = {file.name for file in files}
    with tempfile.TemporaryDirectory(prefix="vitbench-") as place:
        for number, file in enumerate(files):
            name = file.name.removesuffix(ENDING)
            if name != file.name and name in names:
                problems.append(f"{file.name} is not read, since {name} lies beside it.")
                continue
            if file.name.endswith(_PACKED):
                problems.append(f"{file.name} is packed, and not as .gz: unpack it.")
                continue
            # Names that TensorBoard did not choose are read too; their number keeps equal ones apart.
            usual = name.startswith("events.out.tfevents.")
            link = Path(place) / (name if usual else f"events.out.tfevents.0.{number}.{name}")
            try:
                if is_packed(file):
                    unpack(file, link)
                else:
                    link.symlink_to(file.absolute())
            except UNPACKING_ERRORS as error:
                problems.append(f"{file.name} cannot be unpacked: {str(error).rstrip('.')}.")
        reader = EventReader(Path(place))
        reader.read()
    return reader, problems
