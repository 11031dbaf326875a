"""`vitbench prune KIND...`: frees disk space that can be done without, after a question."""

import argparse
import sys

from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.runs.disk_usage import DISK_KINDS, Item, free, freeable
from vitbench.runs.store import Store
from vitbench.text import clean, size_in_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("kinds", metavar="KIND", nargs="+", choices=DISK_KINDS, help=", ".join(DISK_KINDS))
    parser.add_argument(
        "--run", metavar="RUN", action="append", default=[], help="only of this run; repeat for several"
    )
    parser.add_argument(
        "--last", action="store_true", help="of named runs the last checkpoint too: they can no longer be resumed"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be freed, and delete nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="with --dry-run or --yes: one JSON document")


def run(arguments: argparse.Namespace) -> int:
    """Shows, asks, frees. Exit code 1 if the answer was no."""
    store = Store(store_folder(arguments.store))
    runs = [store.find(name) for name in arguments.run]
    if arguments.last and not runs:
        raise UserError("After --last a run can no longer be resumed: name the runs with --run.")
    if arguments.json and not (arguments.dry_run or arguments.yes):
        raise UserError("--json asks nothing: give --dry-run or --yes.")
    items = freeable(store, arguments.kinds, runs, last_too=arguments.last)
    going = [item for item in items if not item.keep]
    if not arguments.json:
        _print(items, going)
    freed = [] if arguments.dry_run or not going or not _agreed(arguments, going) else _freed(store, going)
    if arguments.json:
        document = {"items": [_described(item) for item in items], "freed": sum(item.size for item in freed)}
        print_json(document, indent=2)
    elif freed:
        print(f"Freed {size_in_words(sum(item.size for item in freed))}.")
    return 0 if arguments.dry_run or freed or not going else 1


def _agreed(arguments: argparse.Namespace, going: list[Item]) -> bool:
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise UserError("Nobody can be asked here: say --yes, or --dry-run to only look.")
    print(f"Delete these {len(going)}, {size_in_words(sum(item.size for item in going))}? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _freed(store: Store, going: list[Item]) -> list[Item]:
    """What was deleted; what could not be is said."""
    freed = []
    for item in going:
        try:
            free(store, item)
        except UserError as error:
            print(f"vitbench: {clean(str(error))}", file=sys.stderr)
            continue
        freed.append(item)
    return freed


def _print(items: list[Item], going: list[Item]) -> None:
    for item in items:
        whose = f"{item.run} step {item.step:,}" if item.step is not None else item.run or item.path.name
        words = f"kept: {item.keep}" if item.keep else item.why
        print(clean(f"{size_in_words(item.size):>8}  {item.kind:<11} {whose}" + (f"   {words}" if words else "")))
    total = size_in_words(sum(item.size for item in going))
    print(f"{total} can be freed." if going else "Nothing can be freed.")


def _described(item: Item) -> dict[str, object]:
    return vars(item) | {"path": str(item.path)}
