"""The store: a plain folder of run folders. Copying, moving and deleting them with other tools is allowed."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vitbench import __version__
from vitbench.errors import NoSuchRun, UserError
from vitbench.files.writing import clear_folder, sync_folder, temporary_folder, temporary_name, write_whole
from vitbench.nearest import perhaps
from vitbench.paths import expanded
from vitbench.recipe import Recipe, load_recipe
from vitbench.runs.checkpoints import checkpoint_steps, read_index, step_folder
from vitbench.runs.liveness import has_worker
from vitbench.runs.lock import RunLock
from vitbench.runs.log import last_lines
from vitbench.runs.status import Status, is_run, read_status, write_status
from vitbench.text import clean, shortened

_END_OF_LOG = 2**16
"""Bytes from the end in which the last words of a run are looked for, at each poll of a store of many."""
_REQUESTS = ("pause", "stop", "checkpoint", "kill")
KILLED = "Killed by hand."
"""The error of a run that somebody has killed."""
_CLOCK_DIFFERENCE = 60.0
"""Seconds by which the clocks of machines that share a store may differ."""


def first_status(recipe: Recipe, *, created_at: float, name: str = "", preset: str = "") -> Status:
    """The status of a new run: it is queued, and nobody has started it."""
    return Status(
        created_at=created_at,
        name=name or recipe.name,
        task=recipe.task,
        model=recipe.model.name,
        data=recipe.data.path,
        preset=preset or recipe.preset,
        version=__version__,
        epochs=recipe.train.epochs,
    )


@dataclass(frozen=True)
class CheckpointEntry:
    """A whole checkpoint on disk."""

    step: int
    folder: Path


class Run:
    """One run folder, read afresh at each question: it may change, or vanish, at any moment."""

    def __init__(self, folder: Path, reference: str = "") -> None:
        """`reference` is what finds it again, where that is not its id."""
        self.folder = folder
        self.reference = reference or folder.name

    def __repr__(self) -> str:
        return f"Run({self.reference!r})"

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def store_folder(self) -> Path:
        """The store in which the run is."""
        return self.folder.parent.parent

    @cached_property
    def log(self) -> Path:
        """The log file."""
        return self.folder / "log.jsonl"

    def recipe(self) -> Recipe:
        """The recipe as it was frozen when the run was queued."""
        return load_recipe(str(self.folder / "recipe.toml"))

    def status(self) -> Status:
        """Where the run stands. A run whose process is gone reads as crashed, with the last words of its log."""
        status = read_status(self.folder)
        if status.state != "running" or has_worker(self.folder, status):
            return status
        again = read_status(self.folder)  # it may have ended properly between the two looks
        if again.state != "running" or again.process != status.process:
            return again
        return self.without_worker(status)

    def without_worker(self, status: Status) -> Status:
        """The status of a running run, as it is once its worker is known to be gone: crashed, or killed by hand.

        Between the end of a worker and that of the last of its processes others look.
        """
        if "kill" in self.requests():
            return status.model_copy(update={"state": "stopped", "error": KILLED, "eta_seconds": None, "doing": None})
        words = [line.text for line in last_lines(self.log, 3, _END_OF_LOG)]
        error = "Its process ended without a word." + (f" The log ends: {' / '.join(words)}" if words else "")
        if status.process is None:
            error = f"Its worker ended before it began; see {self.folder / 'worker.log'}."
        return status.model_copy(update={"state": "crashed", "error": error, "eta_seconds": None, "doing": None})

    def request(self, what: str) -> None:
        """Asks the worker to `pause`, `stop` or save a `checkpoint` at its next step; `kill` says why it ends.

        Raises OSError, and UserError if `control` is not a folder.
        """
        assert what in _REQUESTS
        control = self.folder / "control"
        if os.path.lexists(control) and not self._has_control():
            raise UserError(f"{control} is not a folder, so nothing can be asked of the run; delete it.")
        control.mkdir(exist_ok=True)
        (control / what).touch(mode=0o666)

    def requests(self) -> set[str]:
        """What was asked and not yet acknowledged."""
        try:
            found = {entry.name for entry in os.scandir(self.folder / "control")} if self._has_control() else set()
        except OSError:
            return set()
        return found & set(_REQUESTS)

    def acknowledged(self, *requests: str) -> None:
        """Takes requests away; a folder that somebody made by this name goes too, since it would stop every start."""
        if not self._has_control():
            return
        for request in requests or _REQUESTS:
            file = self.folder / "control" / request
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)

    def _has_control(self) -> bool:
        """Whether `control` is a folder here; a link would lead requests, and what takes them away, elsewhere."""
        control = self.folder / "control"
        return control.is_dir() and not control.is_symlink()

    def checkpoints(self) -> list[CheckpointEntry]:
        """The whole checkpoints, oldest first; what a killed worker left half-written is not among them."""
        folder = self.folder / "checkpoints"
        return [CheckpointEntry(step, step_folder(folder, step)) for step in checkpoint_steps(folder)]

    def checkpoint(self, which: str | int = "last") -> CheckpointEntry:
        """The checkpoint called `last` or `best` (the last before an evaluation), or that of a step. Else UserError."""
        entries = {entry.step: entry for entry in self.checkpoints()}
        step: int | None = None
        if which in ("last", "best"):
            index = read_index(self.folder / "checkpoints")
            step = index.best if which == "best" and index.best is not None else index.last
        elif str(which).isascii() and str(which).isdigit() and len(str(which)) < 16:
            step = int(which)
        if step not in entries:
            known = ", ".join(map(str, entries)) or "none yet"
            raise UserError(f"Run {self.id} has no checkpoint {shortened(str(which))!r}; it has: {known}.")
        return entries[step]


def is_path_of_run(text: str) -> bool:
    """Whether `text` is a path, and leads to a run folder."""
    return os.sep in text and is_run(expanded(text))


class Store:
    """All runs of a person, newest last."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.runs_folder = self.folder / "runs"

    def create(self, recipe: Recipe, name: str = "", preset: str = "", files: Mapping[str, str] | None = None) -> Run:
        """A new queued run, whole from the first moment that it can be seen. The recipe is frozen as it is now.

        `files` are further texts of its folder, by name.

        Raises UserError if the store cannot be written.
        """
        name = name or recipe.name
        recipe = recipe.model_copy(update={"name": name})
        try:
            self.runs_folder.mkdir(parents=True, exist_ok=True)
            clear_folder(self.runs_folder)
            # Locked while it is being made: who finds it free knows that its maker was killed.
            with temporary_folder(self.runs_folder / "new") as unfinished:
                self._fill(unfinished, recipe, name, preset)
                for file, text in (files or {}).items():
                    write_whole(unfinished / file, text)
                return Run(self._renamed(unfinished, recipe, name))
        except OSError as error:
            raise UserError(f"No run can be made in {self.runs_folder}: {error.strerror or error}.") from error

    def _fill(self, folder: Path, recipe: Recipe, name: str, preset: str) -> None:
        for part in ("checkpoints", "control", "evaluations", "figures"):
            (folder / part).mkdir()
        write_whole(folder / "recipe.toml", recipe.to_toml())
        write_status(folder, first_status(recipe, created_at=time.time(), name=name, preset=preset))

    def _renamed(self, unfinished: Path, recipe: Recipe, name: str) -> Path:
        """Gives a new run its id, which no other run has: a rename never replaces a folder with something in it."""
        readable = re.sub(r"[^a-z0-9]+", "-", (name or recipe.model.name.rpartition(":")[2]).lower()).strip("-")[:24]
        while True:
            moment = time.strftime("%Y%m%d-%H%M%S")
            folder = self.runs_folder / f"{moment}-{readable or 'run'}-{secrets.token_hex(2)}"
            try:
                unfinished.rename(folder)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                    continue
                raise
            sync_folder(self.runs_folder)
            return folder

    def runs(self) -> list[Run]:
        """Every folder in the store that is a run (see `is_run`), oldest first."""
        try:
            with os.scandir(self.runs_folder) as entries:
                names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        except FileNotFoundError:
            return []
        return [Run(self.runs_folder / name) for name in names if is_run(self.runs_folder / name)]

    def folders(self) -> dict[str, tuple[int, int]]:
        """Every folder in the store that may be a run, with its time in ns and inode. Raises OSError."""
        found: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(self.runs_folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    with contextlib.suppress(OSError):
                        facts = entry.stat()
                        found[entry.name] = (facts.st_mtime_ns, facts.st_ino)
        except FileNotFoundError:
            return {}
        return found

    def newest(self) -> Run | None:
        """The run that was made last, by what its status says.

        A time that is still to come was told by a clock that was ahead; such a run is older than all others here.
        """
        now = time.time() + _CLOCK_DIFFERENCE
        made = [(read_status(run.folder).created_at, run.id, run) for run in self.runs()]
        return max(made, key=lambda row: (row[0] <= now, row[0], row[1]), default=(0, "", None))[2]

    def find(self, text: str) -> Run:
        """The run with this id, or this beginning of an id, or this name; `last` is the newest. Else UserError.

        The path of a run folder, in whatever store, is that run.
        """
        if text == "last" and (newest := self.newest()) is not None:
            return newest
        if is_path_of_run(text):
            folder = expanded(text).resolve()
            return Run(folder, reference=str(folder))
        runs = self.runs()
        exact = [run for run in runs if run.id == text]
        if exact:
            return exact[0]
        found = [run for run in runs if text and run.id.startswith(text)]
        found = found or [run for run in runs if text and read_status(run.folder).name == text]
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(run.id for run in found[:4])
            raise UserError(f"{clean(text)!r} may mean {len(found)} runs ({some}); give more of the id.")
        near = perhaps(text, self.names())
        raise NoSuchRun(f"There is no run {clean(text)!r} in {self.folder}{near}; `vitbench runs` lists them.")

    def names(self) -> list[str]:
        """What runs may be called by: the names of those that have one, and all ids."""
        runs = self.runs()
        return [*filter(None, (read_status(run.folder).name for run in runs)), *(run.id for run in runs)]

    def remove(self, run: Run) -> None:
        """Deletes a run folder; a link in its place is taken away without following it.

        Raises UserError if the run is running, or if not all of it can be deleted.
        """
        if run.folder.is_symlink():
            run.folder.unlink()
            return
        try:
            lock = RunLock(run.folder)
        except FileNotFoundError:
            return  # somebody else was quicker
        doomed = temporary_name(self.runs_folder / "removed")
        try:
            status = read_status(run.folder)
            if not lock.acquire() or (status.state == "running" and has_worker(run.folder, status)):
                raise UserError(f"Run {run.id} is running; stop it first.")
            run.folder.rename(doomed)
        except FileNotFoundError:
            return
        except OSError as error:  # a mount point, or rights
            raise UserError(f"Run {run.id} could not be deleted: {error.strerror or error}.") from error
        finally:
            lock.release()
        _delete_whole(doomed, run.id)


def _delete_whole(folder: Path, run_id: str) -> None:
    """Deletes a folder into which a worker may still be writing, until it notices."""
    for attempt in range(4):
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            continue
        except OSError as error:
            if attempt == 3:
                raise UserError(
                    f"Run {run_id} could not be deleted whole: {error.strerror or error}; what is left is in {folder}."
                ) from error
            time.sleep(0.05)
