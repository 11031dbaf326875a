"""`vitbench pause RUN`: saves a run and frees its GPU; `vitbench resume` goes on, bit for bit."""

import argparse

from vitbench.commands._runs import add_run, find_runs, report_end
from vitbench.runs import control


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)
    parser.add_argument("--no-wait", action="store_true", help="ask, and do not wait until it is done")


def run(arguments: argparse.Namespace) -> int:
    """Asks every run first, then waits for each."""
    runs = find_runs(arguments)
    for one in runs:
        control.pause(one)
    return 0 if arguments.no_wait else max(report_end(one, None) for one in runs)
