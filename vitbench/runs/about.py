"""What a person says of a run: its name, tags, a note, whether it is put away; and which run it came from.

Tags and parent stand in `about.json`, the note in `note.md`, plain files of the run folder that any tool may change.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitbench.errors import UserError
from vitbench.files.reading import RECORD, MissingFile, Unreadable, read_bytes, read_text
from vitbench.files.writing import write_whole
from vitbench.runs.store import Run
from vitbench.text import shortened

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 200, 50, 100_000
_TAG = re.compile(r"[^\s,#][^\s,]*")


class Parent(BaseModel, frozen=True):
    """The checkpoint from which a run began."""

    id: str
    name: str = ""
    step: Annotated[int, Field(ge=0)]


class About(BaseModel):
    """`about.json`; fields of later versions are kept out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tags: tuple[str, ...] = ()
    archived: bool = False
    parent: Parent | None = None


def about_file(run: Run) -> Path:
    """Where tags and parent stand."""
    return run.folder / "about.json"


def note_file(run: Run) -> Path:
    """Where the note stands."""
    return run.folder / "note.md"


def read_about(run: Run) -> About:
    """What is said of a run; nothing, where the file is missing or damaged: it decides nothing."""
    try:
        return About.model_validate_json(read_bytes(about_file(run), RECORD))
    except (OSError, ValidationError, ValueError):
        return About()


def read_note(run: Run) -> str:
    """The note, else an empty text."""
    try:
        return read_text(note_file(run), RECORD, errors="replace")
    except (MissingFile, Unreadable):
        return ""


def write_about(run: Run, about: About) -> None:
    """Raises UserError if it cannot be written."""
    _write(run, about_file(run), about.model_dump_json(indent=1))


def write_note(run: Run, text: str) -> None:
    """Replaces the note; an empty one takes it away. Raises UserError if it is too long or cannot be written."""
    if len(text) > LONGEST_NOTE:
        raise UserError(f"A note may have {LONGEST_NOTE:,} characters; this one has {len(text):,}.")
    if text.strip():
        _write(run, note_file(run), text if text.endswith("\n") else f"{text}\n")
        return
    try:
        note_file(run).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{note_file(run)} cannot be deleted: {error.strerror or error}.") from error


def change_tags(run: Run, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> About:
    """The tags with these added and removed, each once, in the order in which they were given.

    Raises UserError for a word that can be no tag.
    """
    for tag in add:
        if not _TAG.fullmatch(tag) or len(tag) > LONGEST_TAG:
            raise UserError(
                f"{shortened(tag)!r} cannot be a tag: one word of at most {LONGEST_TAG} characters, without commas, "
                "and not beginning with #."
            )
    about = read_about(run)
    tags = tuple(dict.fromkeys(tag for tag in (*about.tags, *add) if tag not in remove))
    changed = about.model_copy(update={"tags": tags})
    write_about(run, changed)
    return changed


def checked_name(name: str) -> str:
    """A name that a run may have. Raises UserError."""
    if not name.strip() or len(name) > LONGEST_NAME or any(not sign.isprintable() for sign in name):
        raise UserError(f"A run's name has 1 to {LONGEST_NAME} characters that can be printed.")
    return name.strip()


def _write(run: Run, file: Path, text: str) -> None:
    if not os.path.lexists(run.folder):
        raise UserError(f"Run {run.id} has been deleted.")
    try:
        write_whole(file, text)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror or error}.") from error
