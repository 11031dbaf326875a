"""The figures that were saved: those in the folders of runs, and those that the ledger of a store knows elsewhere."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError
from vitbench.figures.provenance import read_provenance
from vitbench.files.ledger import Ledger
from vitbench.requests.drawing import FIGURE_ENDINGS
from vitbench.runs.store import Run, Store

MOST = 2000


@dataclass(frozen=True)
class SavedFigure:
    """A file that is a figure by its ending. `run_id` is the run in whose folder it lies, else empty."""

    file: Path
    size: int
    saved_at: float
    """Seconds since the epoch."""
    run_id: str = ""


def saved_figures(store: Store, run: Run | None = None) -> list[SavedFigure]:
    """The figures of a run, or of all runs and of everywhere that the ledger knows, newest first; at most MOST."""
    found: dict[Path, SavedFigure] = {}
    for one in [run] if run is not None else store.runs():
        for folder in ("figures", "report"):
            for place, _, names in os.walk(one.folder / folder):
                for name in names:
                    _add(found, Path(place) / name, one.id)
    for file in Ledger(store.folder).files() if run is None else ():
        _add(found, file, "")
    return sorted(found.values(), key=lambda figure: (-figure.saved_at, str(figure.file)))[:MOST]


def what_it_shows(file: Path) -> str:
    """The kind of a figure and its title, as it records them; a sentence where it records nothing."""
    try:
        recorded = read_provenance(file)
    except UserError as error:
        return str(error)
    facts = recorded.get("facts")
    caption = str(facts.get("caption") or "") if isinstance(facts, dict) else ""
    return f"{recorded['kind']}: {caption.splitlines()[0]}" if caption else str(recorded["kind"])


def remove_figure(figure: SavedFigure) -> None:
    """Deletes the file, if it is still the one that was listed. Raises UserError where it cannot be deleted."""
    try:
        found = figure.file.lstat()
        if not stat.S_ISREG(found.st_mode) or (found.st_size, found.st_mtime) != (figure.size, figure.saved_at):
            raise UserError(f"{figure.file.name} is another file by now, so it was not deleted.")
        figure.file.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{figure.file} cannot be deleted: {error.strerror or error}.") from error


def _add(found: dict[Path, SavedFigure], file: Path, run_id: str) -> None:
    """Notes a figure; links are no figures of ours."""
    if file.suffix.lower() not in FIGURE_ENDINGS or file in found:
        return
    try:
        facts = file.lstat()
    except (OSError, ValueError):
        return
    if stat.S_ISREG(facts.st_mode):
        found[file] = SavedFigure(file, facts.st_size, facts.st_mtime, run_id)
