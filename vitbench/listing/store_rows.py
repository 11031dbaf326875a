"""The runs of a store as rows, read again and again: each time only what has changed, newest first.

Every file of a run is replaced whole, which changes the time of its folder, so one look at the folder tells whether a
run that has ended is still as it was. A file that somebody edits in place is noticed within some polls: a part of the
runs is looked at more closely each time.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vitbench.comparing.scores import Score, score
from vitbench.listing.recipe_keys import NO_KEYS, RecipeReader
from vitbench.listing.rows import LIVE_STATES, NO_SCORES, RunRow, row_of
from vitbench.runs.about import read_about
from vitbench.runs.events import EventReader
from vitbench.runs.status import Status, is_run
from vitbench.runs.store import Run, Store

_CLOSELY = 100
"""Runs that have ended whose files are looked at closely in one poll."""
_AGAIN = 1.0
"""Seconds after which what was read is looked at again while the rest of a large store is still being read."""
_MOST_READERS = 200
"""Live runs whose curves are read on for their scores; those of others are read anew."""

Stamp = tuple[int, ...]

_FILES = ("status.json", "progress.json", "about.json")
"""What the row of a run depends on."""
_ABOUT = 6
"""The place of the last one's time in the stamp of all; 0 where there is no such file."""


@dataclass(slots=True)
class _Known:
    """What was read of a run, and of what state of its folder and files."""

    row: RunRow
    folder: Stamp
    files: Stamp
    scored: Stamp | None = None
    """The state of its event files of which the scores are."""
    scored_tags: frozenset[str] = frozenset()


@dataclass
class Polled:
    """The rows, oldest first. `fresh` are the runs whose status was read now, `left` how many are not read yet."""

    rows: dict[str, RunRow]
    fresh: list[tuple[Run, Status]] = field(default_factory=list)
    left: int = 0


class StoreRows:
    """All rows of a store. `tags` are the scalars that their statuses name."""

    def __init__(self, store: Store, gpu_names: Callable[[Sequence[str]], str] = ",".join) -> None:
        self.store = store
        self.tags: set[str] = set()
        self._gpu_names = gpu_names
        self._known: dict[str, _Known] = {}
        self._folders: Mapping[str, Stamp] = {}
        self._listed = 0.0
        self._left = 0
        self._names: dict[str, None] = {}
        """The folders, oldest first."""
        self._order: list[str] = []
        self._recipes = RecipeReader()
        self._readers: dict[str, EventReader] = {}
        self._turn = 0

    def poll(self, seconds: float = float("inf")) -> Polled:
        """Looks at the store. What cannot be read within so many seconds is left for the next time.

        Raises OSError if the store cannot be read.
        """
        end = time.monotonic() + seconds
        goes_on = self._left > 0 and time.monotonic() < self._listed + _AGAIN
        if not goes_on:
            self._folders = self.store.folders()
            self._listed = time.monotonic()
            for gone in [name for name in self._known if name not in self._folders]:
                self._known.pop(gone)
                self._readers.pop(gone, None)
            if self._names != self._folders.keys():
                self._names = dict.fromkeys(sorted(self._folders))
        folders = self._folders
        closely = set() if goes_on else self._looked_at_closely()
        fresh: list[tuple[Run, Status]] = []
        left = 0
        for name in reversed(self._names):
            known = self._known.get(name)
            if known is None and left:
                left += 1
                continue
            if known is not None and goes_on:
                continue
            if known is not None and known.row.state not in LIVE_STATES:
                same = folders[name] == known.folder
                if same and (name not in closely or _stamp_of_files(self._run(name)) == known.files):
                    continue
            if known is None and time.monotonic() > end:
                left += 1
                continue
            self._read(name, folders[name], fresh)
        self._left = left
        rows = {name: known.row for name in self._names if (known := self._known.get(name)) is not None}
        return Polled(rows, fresh, left)

    def read_recipes(self, names: Collection[str], seconds: float = float("inf")) -> bool:
        """Reads the recipes of runs whose rows do not have them yet; whether all are read now."""
        end = time.monotonic() + seconds
        for name in names:
            known = self._known.get(name)
            if known is None or known.row.keys is not NO_KEYS:
                continue
            if time.monotonic() > end:
                return False
            known.row = replace(known.row, keys=self._recipes.read(self._run(name)))
        return True

    def read_scores(self, names: Collection[str], tags: frozenset[str], seconds: float = float("inf")) -> bool:
        """Reads best and last values of scalars from the curves of runs; whether all are read now."""
        if not tags:
            return True
        end = time.monotonic() + seconds
        for name in names:
            known = self._known.get(name)
            if known is None:
                continue
            live = known.row.state in LIVE_STATES
            if known.scored is not None and known.scored_tags >= tags and not live:
                continue
            stamp = _stamp_of_events(self._run(name).folder)
            if known.scored == stamp and known.scored_tags >= tags:
                continue
            if time.monotonic() > end:
                return False
            found = self._scores(name, tags, live)
            if found != known.row.scores:
                known.row = replace(known.row, scores=found)
            known.scored, known.scored_tags = stamp, tags
        return True

    def row(self, name: str) -> RunRow | None:
        """The row of a run as it was read last."""
        known = self._known.get(name)
        return known.row if known is not None else None

    def _run(self, name: str) -> Run:
        return Run(self.store.runs_folder / name)

    def _looked_at_closely(self) -> set[str]:
        """Some runs, others each time."""
        if not self._order:
            self._order = list(self._known)
            self._turn = 0
        part = self._order[self._turn : self._turn + _CLOSELY]
        self._turn += _CLOSELY
        if self._turn >= len(self._order):
            self._order = []
        return set(part)

    def _read(self, name: str, folder: Stamp, fresh: list[tuple[Run, Status]]) -> None:
        run, known = self._run(name), self._known.get(name)
        files = _stamp_of_files(run)
        if not files[0] and not is_run(run.folder):
            self._known.pop(name, None)
            return
        status = run.status()
        if status.state == "crashed" and not is_run(run.folder):
            self._known.pop(name, None)  # deleted while it was read
            return
        fresh.append((run, status))
        self.tags.update(status.latest)
        row = row_of(run, status, self._gpu_names)
        if files[_ABOUT]:
            about = read_about(run)
            row = replace(row, tags=about.tags, archived=about.archived)
        if known is None:
            self._known[name] = _Known(row, folder, files)
            return
        row = replace(row, keys=known.row.keys, scores=known.row.scores)
        if row != known.row:
            known.row = row
        known.folder, known.files = folder, files

    def _scores(self, name: str, tags: frozenset[str], live: bool) -> Mapping[str, Score]:
        reader = self._readers.get(name) or EventReader(self._run(name).folder)
        if live and len(self._readers) < _MOST_READERS:
            self._readers[name] = reader
        elif not live:
            self._readers.pop(name, None)
        try:
            reader.read()
        except OSError:
            return NO_SCORES
        return {tag: score(reader.series[tag], tag) for tag in sorted(tags) if tag in reader.series}


def _stamp_of_files(run: Run) -> Stamp:
    """What the row of a run depends on; its first number is 0 where there is no status."""
    folder = os.fspath(run.folder)
    return sum((_stamp(f"{folder}/{name}") for name in _FILES), ())


def _stamp_of_events(folder: Path) -> Stamp:
    try:
        with os.scandir(folder) as entries:
            sizes = [entry.stat().st_size for entry in entries if "tfevents" in entry.name]
    except OSError:
        return ()
    return (len(sizes), sum(sizes))


def _stamp(file: str) -> Stamp:
    try:
        facts = os.stat(file)  # noqa: PTH116 - of thousands of runs, at each look
    except OSError:
        return (0, 0, 0)
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)
