"""`vitbench rm RUN`: deletes runs with their checkpoints and figures."""

import argparse

from vitbench.commands._runs import add_run, find_runs
from vitbench.errors import UserError
from vitbench.paths import store_folder
from vitbench.runs import control
from vitbench.runs.lock import is_held
from vitbench.runs.store import Store
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)
    parser.add_argument("--force", action="store_true", help="kill a run that is running")


def run(arguments: argparse.Namespace) -> int:
    """Deletes nothing unless every run may be deleted."""
    runs = find_runs(arguments)
    for one in runs:
        if not one.folder.is_symlink() and (is_held(one.folder) or one.status().state == "running"):
            if not arguments.force:
                raise UserError(f"Run {one.id} is running; stop it first, or give --force.")
            control.kill(one)
    store = Store(store_folder(arguments.store))
    for one in runs:
        store.remove(one)
        print(f"{clean(one.id)}: deleted")
    return 0
