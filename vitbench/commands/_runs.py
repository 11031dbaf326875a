"""What the commands on runs share."""

import argparse

from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.runs import control
from vitbench.runs.store import Run, Store
from vitbench.text import clean


def add_run(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """Declares the run, or several."""
    words = "an id, the beginning of one, a name, or `last`"
    if many:
        parser.add_argument("runs", metavar="RUN", nargs="+", help=words)
    else:
        parser.add_argument("run", metavar="RUN", help=words)


def find_run(arguments: argparse.Namespace) -> Run:
    """The run that was named."""
    return Store(store_folder(arguments.store)).find(arguments.run)


def find_runs(arguments: argparse.Namespace) -> list[Run]:
    """All runs that were named, each once."""
    store = Store(store_folder(arguments.store))
    found = {run.id: run for run in (store.find(text) for text in arguments.runs)}
    return list(found.values())


def report_end(run: Run, patience: float | None) -> int:
    """Waits until the worker has left and says how; 1 if it did not leave in time."""
    progress = ConsoleProgress()
    status = control.wait(run, patience, progress)
    progress.close()
    print(f"{run.id}: {status.state} at step {status.step:,}" + (f". {clean(status.error)}" if status.error else ""))
    return int(status.state == "running")
