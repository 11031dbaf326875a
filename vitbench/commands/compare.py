"""`vitbench compare RUN RUN...`: recipes, scores and mistakes of runs beside each other."""

import argparse
import csv
import io
from pathlib import Path

from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.commands._runs import add_run, find_runs
from vitbench.output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)
    parser.add_argument(
        "--metric", action="append", default=[], metavar="TAG", help="only this scalar; may be given again"
    )
    parser.add_argument(
        "--split", default="", help="test on this split (else the first that all were evaluated on, test before others)"
    )
    parser.add_argument("--out", metavar="FILE.csv", help="the pictures on which they disagree, with each answer")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the comparison."""
    from vitbench.comparing.report import compare
    from vitbench.comparing.rows import header, table
    from vitbench.comparing.words import lines

    outputs = outputs_of(arguments)
    out = Path(arguments.out).expanduser() if arguments.out else None
    if out is not None:
        outputs.plan(out)
    found = compare(find_runs(arguments), arguments.metric, arguments.split)
    if arguments.json:
        print_json(found.document())
    else:
        print("\n".join(lines(found)))
    if out is not None and found.shared is not None:
        rows = table(found.shared, found.names)
        text = io.StringIO()
        csv.writer(text).writerows([header(found.names), *rows])
        written = outputs.write(out, text.getvalue())
        if not arguments.json:
            say(f"{len(rows):,} pictures on which they disagree: {written}", file=written)
    return 0
