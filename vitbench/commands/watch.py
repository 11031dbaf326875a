"""`vitbench watch LOGDIR...`: other tools' TensorBoard logs, in the app beside the runs, or as a list."""

import argparse
import sys

from vitbench.errors import UserError
from vitbench.files.names import shown
from vitbench.listing.log_rows import LogRows
from vitbench.listing.rows import RunRow
from vitbench.nearest import perhaps_path
from vitbench.output import complain, print_json
from vitbench.paths import expanded
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    words = "folders with TensorBoard event files at any depth: timm, Lightning, Hugging Face, Keras, ..."
    parser.add_argument("logs", metavar="LOGDIR", nargs="+", help=words)
    parser.add_argument("--list", action="store_true", help="one line per run instead of the app")
    parser.add_argument("--json", action="store_true", help="one JSON list, with the scalars of each run")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a run; in a terminal it only looks whether the folders are there, and the app opens."""
    roots = [expanded(path).absolute() for path in arguments.logs]
    for root in roots:
        if not root.exists():
            raise UserError(f"There is no folder {shown(root)}{perhaps_path(root)}.")
        if not root.is_dir():
            raise UserError(f"{shown(root)} is not a folder; `vitbench metrics FILE` reads one event file.")
    if not arguments.list and not arguments.json and sys.stdin.isatty() and sys.stdout.isatty():
        return 0
    logs = LogRows(roots)
    rows, _ = logs.poll()
    for problem in logs.problems:
        complain(problem)
    if not rows:
        raise UserError(f"There are no TensorBoard event files in {', '.join(map(shown, roots))} or below.")
    if arguments.json:
        print_json([_document(logs, row) for row in rows.values()])
        return 0
    width = max(len(clean(row.name)) for row in rows.values())
    print(f"{'RUN':<{width}}  STATE {'STEP':>9}  SCALARS  BEST")
    for row in rows.values():
        reader = logs.reader(row.id)
        assert reader is not None
        best = f"{row.best_metric} {row.best_words} at {row.best_step:,}" if row.best_value is not None else "-"
        print(clean(f"{clean(row.name):<{width}}  {row.state:<5} {row.step:>9,}  {len(reader.series):>7}  {best}"))
        for problem in reader.problems:
            complain(f"{row.name}: {problem}")
    return 0


def _document(logs: LogRows, row: RunRow) -> dict[str, object]:
    reader = logs.reader(row.id)
    assert reader is not None
    return {
        "name": row.name,
        "folder": row.log_folder,
        "state": row.state,
        "step": row.step,
        "scalars": sorted(reader.series),
        "best": None
        if row.best_value is None
        else {"scalar": row.best_metric, "value": row.best_value, "step": row.best_step},
        "problems": reader.problems,
    }
