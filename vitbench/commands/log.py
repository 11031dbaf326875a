"""`vitbench log RUN [-f]`: the log of a run."""

import argparse

from vitbench.commands._runs import add_run, find_run
from vitbench.progress import moment
from vitbench.runs.lock import is_held
from vitbench.runs.log import LogLine, follow, read_log
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    parser.add_argument("--lines", type=int, default=0, metavar="N", help="only the last N lines")


def run(arguments: argparse.Namespace) -> int:
    """Prints time, step, level and text of each line."""
    found = find_run(arguments)
    if not arguments.follow:
        lines = read_log(found.log)
        for line in lines[-arguments.lines :] if arguments.lines else lines:
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
