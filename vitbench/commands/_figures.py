"""What the commands that save figures share."""

import os
from pathlib import Path

from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.figures.save import FORMATS
from vitbench.text import clean


def figure_path(out: Path | None, name: str) -> Path:
    """Where to save: `out` if it names a file, `out/NAME.png` if it is a folder, else `NAME.png` here."""
    if out is None:
        return Path(f"{name}.png")
    if out.is_dir() or (not out.suffix and str(out) != os.devnull):
        return out / f"{name}.png"
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"A figure is saved as {', '.join(FORMATS)}; {out.name} ends otherwise.")
    return out


def announce(path: Path) -> None:
    """Prints where a figure is, and over SSH how to fetch it."""
    print(f"Saved {clean(str(path))}")
    if line := scp_line(path):
        print(clean(line))


def numbered(number: int | None, option: str) -> int | None:
    """A number from 1 as an index from 0; None stays."""
    if number is None:
        return None
    if number < 1:
        raise UserError(f"{option} counts from 1; {number} is below.")
    return number - 1


def patch_from(text: str) -> tuple[int, int]:
    """`R,C`, counted from 1, as indices from 0."""
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"A patch is named as ROW,COLUMN, counted from 1, not as {text!r}.")
    return int(parts[0]) - 1, int(parts[1]) - 1
