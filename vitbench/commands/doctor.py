"""`vitbench doctor`: what this machine, terminal and store are good for, and what to do."""

import argparse
import shutil
import sys
import textwrap
from pathlib import Path

from vitbench.doctor import examine
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import SETTINGS
from vitbench.output import print_json
from vitbench.paths import store_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON list, one object per finding")


def run(arguments: argparse.Namespace) -> int:
    """Prints a line a topic, what to do below it; 1 if something will not work as it is."""
    store = store_folder(arguments.store)
    findings = examine(store, colours=_chosen_colours(store))
    if arguments.json:
        print_json([finding.as_dict() for finding in findings])
    else:
        width = max(len(finding.topic) for finding in findings)
        indent = " " * (width + 8)
        columns = max(60, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 10_000
        for finding in findings:
            mark = "fine" if finding.is_fine else "!!" if finding.serious else "do"
            first = f"{mark:>4}  {finding.topic:<{width}}  "
            for words, start in ((finding.words, first), (finding.advice, indent)):
                if words:
                    print(textwrap.fill(words, columns, initial_indent=start, subsequent_indent=indent))
    return 1 if any(finding.serious and not finding.is_fine for finding in findings) else 0


def _chosen_colours(store: Path) -> str:
    """What the app's palette has chosen for this store."""
    try:
        chosen = read_json_object(store / "screens.json", SETTINGS).get("colours", "auto")
    except UserError:
        return "auto"
    return chosen if isinstance(chosen, str) else "auto"
