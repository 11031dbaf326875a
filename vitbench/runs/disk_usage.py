"""What the store and the caches of weights take on disk, by run and kind, and freeing some of it."""

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vitbench.catalogue import LocalWeights
from vitbench.errors import UserError
from vitbench.files.writing import clear_folder, is_being_written, temporary_name
from vitbench.runs.checkpoints import read_index, step_folder
from vitbench.runs.lock import RunLock, is_held
from vitbench.runs.states import STARTABLE
from vitbench.runs.store import Run, Store

DISK_KINDS = ("checkpoints", "figures", "cache", "scenes", "weights")
"""What `prune` frees. `weights` are the downloads in the caches of the hub and of torch, which other programs share."""


@dataclass(frozen=True)
class Item:
    """A file or folder with the bytes that it takes on disk. `run` is whose it is, `why` why it can be done without.

    `keep` says why it is not freed; empty for what is.
    """

    kind: str
    path: Path
    size: int
    run: str = ""
    why: str = ""
    keep: str = ""
    step: int | None = None


@dataclass(frozen=True)
class RunUsage:
    """Bytes of one run, by what they are for."""

    run: str
    title: str
    state: str
    checkpoints: int
    figures: int
    other: int

    @property
    def total(self) -> int:
        return self.checkpoints + self.figures + self.other


def size_of(path: Path) -> int:
    """Bytes on disk of a file or of all files below a folder; links count as themselves, hard links once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for entry in _all_below(path):
        with suppress(OSError):
            found = entry.lstat()
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total


def run_usage(run: Run) -> RunUsage:
    """What one run takes. Raises nothing for a damaged one: its state is then unknown."""
    checkpoints, figures = size_of(run.folder / "checkpoints"), size_of(run.folder / "figures")
    state, title = "unknown", run.id
    with suppress(UserError, OSError):
        state = run.status().state
        title = run.recipe().name or run.id
    return RunUsage(run.id, title, state, checkpoints, figures, size_of(run.folder) - checkpoints - figures)


def shared_usage(store: Store) -> dict[str, list[Item]]:
    """What belongs to no run: decoded pictures, generated scenes, and downloaded weights."""
    weights = LocalWeights()
    on_hub = [path for path in _children(weights.hub) if path.name.startswith("models--")]
    return {
        "cache": [Item("cache", path, size_of(path)) for path in _children(store.folder / "cache") if path.is_dir()],
        "scenes": [Item("scenes", path, size_of(path)) for path in _children(store.folder / "scenes") if path.is_dir()],
        "weights": [Item("weights", path, size_of(path)) for path in (*on_hub, *_children(weights.torch))],
    }


def freeable(store: Store, kinds: Collection[str], runs: Collection[Run] = (), *, last_too: bool = False) -> list[Item]:
    """What `prune` would free of these kinds, and, with `keep` filled, what it leaves and why.

    Checkpoints: of runs that are named all but the last and the best (with `last_too` the last as well); else those
    that have been replaced, and of finished runs the last where another one is the best. Never anything of a running
    run; decoded pictures and scenes only while no run is running. Weights are freed whole.
    """
    found: list[Item] = []
    everyone = store.runs()
    running = [run.id for run in everyone if _is_running(run)]
    for run in runs or everyone:
        if "checkpoints" in kinds:
            found += _checkpoints(run, named=bool(runs), last_too=last_too, running=run.id in running)
        if "figures" in kinds:
            path = run.folder / "figures"
            if path.is_dir() and any(path.iterdir()):
                found.append(Item("figures", path, size_of(path), run.id, keep=_busy(run.id, running)))
    shared = shared_usage(store)
    for kind in ("cache", "scenes", "weights"):
        if kind in kinds and not runs:
            why = {"cache": "decoded again when needed", "scenes": "drawn again, to the same bytes"}.get(kind, "")
            for item in shared[kind]:
                keep = "it is being made" if is_being_written(item.path) else _read_by(running, kind)
                found.append(Item(kind, item.path, item.size, why=why or "downloaded again", keep=keep))
    return found


def free(store: Store, item: Item) -> None:
    """Deletes one item; a checkpoint under its run's lock, and out of sight first, so that none is ever half there.

    Raises UserError if it cannot be deleted, or if its run, or one that may read it, has been started meanwhile.
    """
    if item.keep:
        raise UserError(f"{item.path} is kept: {item.keep}.")
    try:
        if item.run:
            lock = RunLock(store.runs_folder / item.run)
            try:
                if not lock.acquire():
                    raise UserError(f"Run {item.run} has been started; nothing of it is deleted.")
                _delete(item.path)
                clear_folder(item.path.parent)
            finally:
                lock.release()
        else:
            running = [run.id for run in store.runs() if _is_running(run)]
            if reason := _read_by(running, item.kind):
                raise UserError(f"{item.path} is kept: {reason}.")
            _delete(item.path)
            # Earlier versions left a lock beside what they made.
            item.path.with_name(f"{item.path.name}.lock").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{item.path} could not be deleted: {error.strerror or error}.") from error


def _delete(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    gone = temporary_name(path)
    path.rename(gone)
    shutil.rmtree(gone)


def _checkpoints(run: Run, *, named: bool, last_too: bool, running: bool) -> Iterator[Item]:
    folder = run.folder / "checkpoints"
    index = read_index(folder)
    try:
        state = run.status().state
    except (UserError, OSError):
        return
    for step in sorted(index.wanted | index.obsolete):
        path = step_folder(folder, step)
        if not path.is_dir():
            continue
        why, keep = "", ""
        if running:
            keep = "the run is running"
        elif step == index.best:
            keep = "the best"
        elif step == index.last:
            resumable = state in STARTABLE
            why = "the last, of a run that has ended for good" if not resumable else "the last, which was asked for"
            if resumable and not (named and last_too):
                keep = f"the last, from which the run ({state}) can be resumed; name the run and say --last"
            elif index.best is None:
                keep = "the only one" if not last_too else ""
        elif step in index.obsolete:
            why = "replaced by a newer one"
        else:
            why = "neither the last nor the best"
            asked = "kept on request" if step in index.kept else "kept to look back (train.keep_checkpoints)"
            keep = "" if named else f"{asked}; name the run"
        yield Item("checkpoints", path, size_of(path), run.id, why, keep, step)


def _is_running(run: Run) -> bool:
    with suppress(UserError, OSError):
        return is_held(run.folder) or run.status().state == "running"
    return True


def _read_by(running: Collection[str], kind: str) -> str:
    """Why decoded pictures and scenes are kept while runs are running; empty without any."""
    return f"run {next(iter(running))} is running, and may read it" if running and kind in ("cache", "scenes") else ""


def _busy(run_id: str, running: Collection[str]) -> str:
    return "the run is running" if run_id in running else ""


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _all_below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for root, folders, files in os.walk(path, onerror=None):
            for name in (*folders, *files):
                yield Path(root) / name
