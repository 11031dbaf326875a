"""`vitbench resume RUN`: goes on with a paused, stopped, failed or crashed run, bit for bit."""

import argparse

from vitbench.commands._runs import add_run, find_runs
from vitbench.runs import control
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)


def run(arguments: argparse.Namespace) -> int:
    """Starts a worker for each run."""
    for one in find_runs(arguments):
        control.resume(one)
        status = one.status()
        reason = clean(status.waits_for or "All GPUs are in use.")
        print(f"{clean(one.id)}: {f'waits. {reason}' if status.is_waiting else 'goes on from its last checkpoint'}")
    return 0
