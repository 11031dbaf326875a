"""`vitbench runs`: all runs of the store."""

import argparse
import sys
import time

from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import duration
from vitbench.runs.about import read_about
from vitbench.runs.queue import attend
from vitbench.runs.status import Status
from vitbench.runs.store import Store
from vitbench.sweeps.manager import ensure_managers
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="only runs with this tag; again: with both"
    )
    parser.add_argument("--all", action="store_true", help="those too that were archived (`vitbench label --archive`)")
    parser.add_argument("--json", action="store_true", help="one JSON list, with every field of the status")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a run, newest first."""
    store = Store(store_folder(arguments.store))
    seen = [(run, run.status()) for run in store.runs()]
    ensure_managers(store)
    if problem := attend(store, seen):
        print(problem, file=sys.stderr)
    said = {run.id: read_about(run) for run, _ in seen}
    rows = [
        (run.id, status)
        for run, status in sorted(seen, key=lambda row: row[1].created_at, reverse=True)
        if set(arguments.tag) <= set(said[run.id].tags) and (arguments.all or not said[run.id].archived)
    ]
    if arguments.json:
        print_json(
            [
                {"id": run_id, **status.model_dump(mode="json"), **said[run_id].model_dump(mode="json")}
                for run_id, status in rows
            ]
        )
        return 0
    if hidden := len(seen) - len(rows):
        print(f"{hidden} of {len(seen)} runs are not shown: archived, or without the tag.", file=sys.stderr)
    if seen and not rows:
        return 0
    if not rows:
        print(f"No runs in {clean(str(store.folder))} yet; `vitbench train demo` starts one.")
        return 0
    width = max(len(run_id) for run_id, _ in rows)
    print(f"{'RUN':<{width}}  {'STATE':<9} {'EPOCH':>9} {'LOSS':>8} {'ACCURACY':>8}  AGE")
    for run_id, status in rows:
        age = duration(time.time() - status.created_at)
        tags = "".join(f"  #{tag}" for tag in said[run_id].tags)
        print(f"{clean(run_id):<{width}}  {status.state:<9} {_figures(status)}  {age}{clean(tags)}")
    return 0


def _figures(status: Status) -> str:
    loss = status.latest.get("train/loss")
    accuracy = status.latest.get("validation/accuracy", status.latest.get("validation/token_accuracy"))
    shown_loss = "" if loss is None else f"{loss:.4g}"
    shown_accuracy = "" if accuracy is None else f"{accuracy:.1%}"
    return f"{f'{status.epoch:.1f}/{status.epochs}':>9} {shown_loss:>8} {shown_accuracy:>8}"
