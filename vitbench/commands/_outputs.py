"""What the commands that write files share: the option, and the outputs of one call."""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from vitbench.files.outputs import Outputs
from vitbench.files.streams import is_stream
from vitbench.paths import store_folder
from vitbench.text import clean


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declares `--overwrite`."""
    parser.add_argument("--overwrite", action="store_true", help="replace files that vitbench has not written, too")


def outputs_of(
    arguments: argparse.Namespace,
    *,
    inputs: Iterable[str | os.PathLike[str] | None] = (),
    data: Iterable[str | os.PathLike[str] | None] = (),
) -> Outputs:
    """The outputs of a command that reads the files `inputs` and the data sets `data`; None is not a file."""
    return Outputs(
        store_folder(arguments.store),
        inputs=[file for file in inputs if file is not None],
        data=[path for path in data if path is not None],
        overwrite=arguments.overwrite,
        streams=True,
    )


def say(text: str, *, file: Path) -> None:
    """Prints a line on an output; on stderr where `file` is a stream such as /dev/stdout, which holds nothing else."""
    print(clean(text), file=sys.stderr if is_stream(file) else sys.stdout)
