"""What the commands that save figures share."""

from pathlib import Path

from vitbench.commands._outputs import say
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.figures.save import FORMATS
from vitbench.files.streams import is_stream


def figure_path(out: Path | None, name: str) -> Path:
    """Where to save: `out` if it names a file, `out/NAME.png` if it is a folder, else `NAME.png` here."""
    if out is None:
        return Path(f"{name}.png")
    if out.is_dir() or (not out.suffix and not is_stream(out)):
        return out / f"{name}.png"
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"A figure is saved as {', '.join(FORMATS)}; {out.name} ends otherwise.")
    return out


def announce(path: Path) -> None:
    """Prints where a figure is, and over SSH how to fetch it."""
    say(f"Saved {path}", file=path)
    if line := scp_line(path):
        say(line, file=path)


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
