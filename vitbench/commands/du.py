"""`vitbench du`: what runs, caches, scenes and weights take on disk."""

import argparse

from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.text import clean, size_in_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON document, sizes in bytes")


def run(arguments: argparse.Namespace) -> int:
    """Prints the largest first."""
    from vitbench.runs.disk_usage import run_usage, shared_usage
    from vitbench.runs.store import Store

    store = Store(store_folder(arguments.store))
    runs = sorted((run_usage(one) for one in store.runs()), key=lambda usage: -usage.total)
    shared = shared_usage(store)
    sums = {kind: sum(item.size for item in items) for kind, items in shared.items()}
    if arguments.json:
        print_json(
            {
                "store": str(store.folder),
                "runs": [vars(usage) | {"total": usage.total} for usage in runs],
                **{
                    kind: [{"path": str(item.path), "size": item.size} for item in items]
                    for kind, items in shared.items()
                },
                "total": sum(usage.total for usage in runs) + sum(sums.values()),
            },
            indent=2,
        )
        return 0
    print(f"{'run':<40} {'state':<9} {'checkpoints':>12} {'figures':>9} {'rest':>9}")
    for usage in runs:
        sizes = [size_in_words(size) for size in (usage.checkpoints, usage.figures, usage.other)]
        print(f"{clean(usage.run)[:40]:<40} {usage.state:<9} {sizes[0]:>12} {sizes[1]:>9} {sizes[2]:>9}")
    words = {"cache": "decoded pictures", "scenes": "generated scenes", "weights": "downloaded weights (shared)"}
    for kind, items in shared.items():
        print(f"{words[kind]:<40} {len(items):>9} {size_in_words(sums[kind]):>12}")
        for item in items if kind == "weights" else ():
            print(f"  {clean(item.path.name)[:60]:<60} {size_in_words(item.size)}")
    total = sum(usage.total for usage in runs) + sum(sums.values())
    print(f"{size_in_words(total)} in all; vitbench prune --dry-run KIND shows what could be freed.")
    return 0
