"""`vitbench kill RUN`: ends all processes of a run at once; its last checkpoint stays."""

import argparse

from vitbench.commands._runs import add_run, find_runs, say_if_watched
from vitbench.runs import control
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)


def run(arguments: argparse.Namespace) -> int:
    """Kills each run and returns when its processes are gone."""
    for one in find_runs(arguments):
        say_if_watched(one)
        print(clean(f"{one.id}: {control.kill(one)}"))
    return 0
