"""What the commands that save figures share."""

import argparse
from pathlib import Path

from vitbench.commands._outputs import say
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.files.streams import is_stream
from vitbench.requests.drawing import FIGURE_ENDINGS, Drawing


def figure_path(out: Path | None, name: str) -> Path:
    """Where to save: `out` if it names a file, `out/NAME.png` if it is a folder, else `NAME.png` here.

    Raises UserError for an ending that no figure has.
    """
    if out is None:
        return Path(f"{name}.png")
    if out.is_dir() or (not out.suffix and not is_stream(out)):
        return out / f"{name}.png"
    if out.suffix.lower() not in FIGURE_ENDINGS:
        raise UserError(f"A figure is saved as {', '.join(FIGURE_ENDINGS)}; {out.name} ends otherwise.")
    return out


def announce(path: Path) -> None:
    """Prints where a figure is, and over SSH how to fetch it."""
    say(f"Saved {path}", file=path)
    if line := scp_line(path):
        say(line, file=path)


def patch_from(text: str) -> tuple[int, int]:
    """(row, column) of `R,C`, counted from 1. Raises UserError for anything else."""
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"A patch is named as ROW,COLUMN, counted from 1, not as {text!r}.")
    return int(parts[0]), int(parts[1])


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """Declares how a figure is put on paper."""
    words = "of the figure: `one` or `two` columns, or millimetres (default: what holds the panels)"
    parser.add_argument("--width", metavar="W", help=words)
    parser.add_argument("--dpi", type=int, metavar="N", help="at least so many pixels an inch in a PNG (default 300)")
    parser.add_argument("--caption", action="store_true", help="write the caption below the figure, too")


def add_image_size(parser: argparse.ArgumentParser) -> None:
    """Declares the picture size that the network is looked at with."""
    words = "set the network to pictures of this size, its positions resampled (default: its own)"
    parser.add_argument("--image-size", metavar="N|HxW", help=words)


def drawing_of(arguments: argparse.Namespace) -> Drawing:
    """How the arguments put a figure on paper."""
    given = {"width": arguments.width, "dpi": arguments.dpi, "caption": arguments.caption or None}
    return Drawing.read({name: value for name, value in given.items() if value is not None})
