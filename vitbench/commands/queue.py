"""`vitbench queue`: what waits, why, and in which order; hold, release, reorder."""

import argparse
import time

from vitbench.commands._runs import find_run
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import duration
from vitbench.runs import queue
from vitbench.runs.queue import attend
from vitbench.runs.store import Run, Store
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run that waits: what is to be changed")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--hold", action="store_true", help="do not start it until it is released")
    change.add_argument("--release", action="store_true", help="let it start")
    change.add_argument("--first", action="store_true", help="before all others")
    change.add_argument("--last", action="store_true", help="after all others")
    change.add_argument("--after", metavar="OTHER", nargs="+", help="when these runs have finished")
    parser.add_argument("--json", action="store_true", help="the queue as a JSON list")


def run(arguments: argparse.Namespace) -> int:
    """Changes what is to be changed, then prints the queue."""
    store = Store(store_folder(arguments.store))
    if arguments.run:
        _change(arguments, find_run(arguments), store)
    elif arguments.hold or arguments.release or arguments.first or arguments.last or arguments.after:
        raise UserError("Name the run: vitbench queue RUN --hold.")
    seen = [(one, one.status()) for one in store.runs()]
    problem = attend(store, seen)
    waiting = queue.in_order(seen)
    if arguments.json:
        print_json(
            [
                {"place": place, "id": one.id, "name": status.name, "held": status.held, "after": status.after}
                | {"queued_at": status.queued_at, "reason": queue.reason_to_wait(one.id, status) or None}
                | {"gpus": status.needs_gpus, "gpu_memory": status.needs_memory}
                for place, (one, status) in enumerate(waiting, 1)
            ]
        )
        return 0
    if not waiting:
        print("No run waits.")
    for place, (one, status) in enumerate(waiting, 1):
        since = duration(max(0.0, time.time() - (status.queued_at or 0.0)))
        reason = queue.reason_to_wait(one.id, status) or "for the scheduler"
        print(clean(f"{place:>3}  {status.name or one.id}  waits {since}: {reason}"))
    if problem:
        print(problem)
    return 0


def _change(arguments: argparse.Namespace, found: Run, store: Store) -> None:
    if arguments.hold:
        queue.hold(found)
    elif arguments.release:
        queue.release(found)
    elif arguments.first or arguments.last:
        queue.move(found, first=arguments.first)
    elif arguments.after:
        queue.start_after(found, [store.find(text) for text in arguments.after])
    else:
        raise UserError("Say what is to be changed: --hold, --release, --first, --last or --after OTHER.")
