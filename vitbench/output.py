"""What leaves the program: text is cleaned, JSON is valid, and an output that cannot be written is a sentence."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from vitbench.files.parsing import to_json
from vitbench.text import clean, clean_lines, shortened

_ADVICE = {
    errno.ENOSPC: "free some space (`df -h`, and `df -i` for files), or choose another disk",
    errno.EDQUOT: "free some space of your quota, or choose another disk",
    errno.EROFS: "choose a place that can be written, with --store or VITBENCH_HOME",
    errno.EACCES: "ask its owner, or choose another place",
    errno.EPERM: "ask its owner, or choose another place",
    errno.EMFILE: "close some programs, or raise `ulimit -n`",
}


class CleanStream:
    """A text stream that lets no escape code through, whoever prints and whatever they forget.

    `unfiltered` is the stream below, for what moves the cursor itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Writes `text` without its escape codes and control characters; lines stay lines."""
        self.unfiltered.write(clean_lines(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.unfiltered, name)


@contextmanager
def clean_streams() -> Iterator[None]:
    """While the block runs, all that is printed is cleaned, and what the terminal cannot show is escaped."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = CleanStream(streams[0]), CleanStream(streams[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def open_standard_streams() -> None:
    """Puts /dev/null where the caller closed a standard stream (`>&-`).

    Else the next file that is opened, a checkpoint say, would become the standard output.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def unfiltered(stream: TextIO) -> TextIO:
    """The stream below a CleanStream, or the stream itself."""
    return getattr(stream, "unfiltered", stream)


def print_json(value: object, indent: int | None = 1) -> None:
    """Prints valid JSON in ASCII; what is no finite number is null."""
    print(to_json(value, indent))


def print_row(*cells: object) -> None:
    """Prints one row of CSV, each text on one line."""
    print(",".join(_cell(cell) for cell in cells))


def complain(message: str) -> None:
    """Says on stderr what went wrong; if even that cannot be written, the exit code has to do."""
    with suppress(OSError, ValueError):
        print(f"vitbench: {clean(shortened(message, 4000))}", file=sys.stderr, flush=True)


def os_error_sentence(error: OSError) -> str:
    """What the system refused, and where, in a sentence."""
    reason = error.strerror or str(error) or type(error).__name__
    places = [os.fsdecode(place) for place in (error.filename, error.filename2) if isinstance(place, str | bytes)]
    if isinstance(error, FileNotFoundError) and not places and not _has_working_folder():
        return "The folder from which this was started is gone; change to another one."
    advice = f"; {_ADVICE[error.errno]}" if error.errno in _ADVICE else ""
    return f"{' and '.join(places) or 'An output'} cannot be used: {reason}{advice}."


def _has_working_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def _cell(cell: object) -> str:
    text = clean(str(cell))
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"') else text
