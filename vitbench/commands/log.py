"""`vitbench log RUN [-f]`: the log of a run."""

import argparse

from vitbench.commands._runs import add_run, find_run
from vitbench.errors import UserError
from vitbench.progress import moment
from vitbench.runs.lock import is_held
from vitbench.runs.log import LogLine, follow, last_lines, read_log
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser.add_argument("--lines", type=int, default=0, metavar="N", help="only the last N lines")


def run(arguments: argparse.Namespace) -> int:
    """Prints time, step, level and text of each line."""
    if arguments.lines < 0:
        raise UserError(f"--lines {arguments.lines} is less than 0.")
    found = find_run(arguments)
    if not arguments.follow:
        for line in last_lines(found.log, arguments.lines) if arguments.lines else read_log(found.log):
            _print(line)
        return 0
    for new in follow(found.log):
        if new is not None:
            _print(new)
        elif not is_held(found.folder):
            break
    return 0


def _print(line: LogLine) -> None:
    print(f"{moment(line.time)} {line.step:>8,} {clean(line.level):<7} {clean(line.text)}", flush=True)
