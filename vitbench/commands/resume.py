"""`vitbench resume RUN`: goes on with a paused, stopped, failed or crashed run, bit for bit."""

import argparse

from vitbench.commands._runs import add_run, find_runs, say_if_watched
from vitbench.runs import control
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)


def run(arguments: argparse.Namespace) -> int:
    """Starts a worker for each run."""
    for one in find_runs(arguments):
        say_if_watched(one)
        print(clean(f"{one.id}: {control.resume(one)}"))
    return 0
