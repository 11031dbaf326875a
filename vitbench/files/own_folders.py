"""Folders that are made as a whole and may be made again: an exported network, a report.

Such a folder lists its files with their SHA-256 in `.vitbench.json`. One that holds nothing else, unchanged, is
replaced; one whose files were edited only with `--overwrite`; one that holds files of somebody else never.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.disk_errors import told_of_disk
from vitbench.files.names import shown
from vitbench.files.outputs import Outputs
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.reading import DESCRIPTION
from vitbench.files.writing import sync_folder, temporary_folder, temporary_name

LISTING = ".vitbench.json"


def plan_own_folder(outputs: Outputs, folder: Path) -> None:
    """Raises UserError, before the work, if `make_own_folder` would refuse this folder."""
    if not _is_filled(folder):
        outputs.plan_folder(folder)
        return
    if folder.is_symlink():
        raise UserError(f"{shown(folder)} is a link to a folder with files in it; name a new folder.")
    listed = _listed(folder)
    found = {str(file.relative_to(folder)): file for file in _files(folder)}
    if others := sorted(found.keys() - listed.keys() - {LISTING}):
        raise UserError(f"{shown(folder)} holds files that vitbench did not write ({others[0]}); name a new folder.")
    changed = sorted(name for name, file in found.items() if name != LISTING and _hash(file) != listed[name])
    if changed and not outputs.overwrite:
        raise UserError(
            f"{shown(folder)} has been changed since vitbench wrote it ({changed[0]}): name another folder, or say"
            " --overwrite."
        )


def make_own_folder(outputs: Outputs, folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder, filled by `fill(temporary folder)`; it appears, or replaces the one before, when it is whole.

    Raises UserError as `plan_own_folder` does, and if the disk refuses.
    """

    def listed(unfinished: Path) -> None:
        fill(unfinished)
        hashes = {str(file.relative_to(unfinished)): _hash(file) for file in _files(unfinished)}
        (unfinished / LISTING).write_text(to_json({"files": hashes}), encoding="utf-8")

    plan_own_folder(outputs, folder)
    if not _is_filled(folder):
        return outputs.make_folder(folder, listed)
    real = folder.resolve()
    with told_of_disk(folder):
        with temporary_folder(real) as unfinished:
            listed(unfinished)
            plan_own_folder(outputs, folder)  # it may have been changed during the work
            before = temporary_name(real)
            real.rename(before)
            try:
                unfinished.rename(real)
            except OSError:
                before.rename(real)
                raise
        shutil.rmtree(before, ignore_errors=True)
        sync_folder(real.parent)
    return folder


def _is_filled(folder: Path) -> bool:
    try:
        return folder.is_dir() and any(folder.iterdir())
    except OSError:
        return False


def _listed(folder: Path) -> dict[str, str]:
    try:
        files = read_json_object(folder / LISTING, DESCRIPTION).get("files")
    except UserError:
        files = None
    if not isinstance(files, dict):
        raise UserError(f"{shown(folder)} exists already and is not empty; name a new folder.")
    return {str(name): str(value) for name, value in files.items()}


def _files(folder: Path) -> Iterator[Path]:
    """Everything in a folder that is not a folder; links are not followed."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _hash(file: Path) -> str:
    """SHA-256 of a regular file; empty for what is none."""
    if file.is_symlink() or not file.is_file():
        return ""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
