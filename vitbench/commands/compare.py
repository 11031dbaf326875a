"""`vitbench compare RUN RUN...`: recipes, scores and mistakes of runs beside each other."""

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.commands._runs import add_run, find_runs
from vitbench.output import print_json
from vitbench.text import clean

if TYPE_CHECKING:
    from vitbench.comparing.report import Comparison
    from vitbench.comparing.scores import At, Spread


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

    outputs = outputs_of(arguments)
    out = Path(arguments.out).expanduser() if arguments.out else None
    if out is not None:
        outputs.plan(out)
    found = compare(find_runs(arguments), arguments.metric, arguments.split)
    if arguments.json:
        print_json(found.document())
    else:
        _print(found)
    if out is not None and found.shared is not None:
        rows = table(found.shared, found.names)
        text = io.StringIO()
        csv.writer(text).writerows([header(found.names), *rows])
        written = outputs.write(out, text.getvalue())
        if not arguments.json:
            say(f"{len(rows):,} pictures on which they disagree: {written}", file=written)
    return 0


def _print(found: "Comparison") -> None:
    print(_table(["", *found.names], [[key, *map(_value, values)] for key, values in found.differences.items()]))
    if not found.differences:
        print("Their recipes are the same.")
    print()
    rows = [
        [f"{tag} {which}", *(_at(getattr(score, which)) for score in scores)]
        for tag, scores in found.scores.items()
        for which in ("best", "last")
    ]
    print(_table(["", *found.names], rows))
    several = [place for place, group in enumerate(found.groups) if len(group) > 1]
    for place in several:
        group = found.groups[place]
        print(clean(f"\n{len(group)} seeds: {', '.join(found.names[number] for number in group)}"))
        for tag, spreads in found.spreads.items():
            print(f"  {clean(tag)}: {_spread(spreads[place])}")
    print()
    if found.shared is None:
        print(clean(found.not_tested))
        return
    count, gone = len(found.shared.files), found.shared.left_out
    rest = f"; {gone:,} that only some were given are left out" if gone else ""
    print(clean(f"On the same {count:,} pictures of the {found.shared.part} split{rest}:"))
    for test in found.tests:
        several_pairs = f" Among {len(found.tests)} pairs, corrected: p = {test.corrected:.3g}."
        sentence = test.paired.sentence(found.names[test.first], found.names[test.second])
        print(clean(f"  {sentence}{several_pairs if len(found.tests) > 1 else ''}"))


def _table(header: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    cells = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _value(value: Any) -> str:
    return "-" if value is None else str(value)


def _at(at: "At | None") -> str:
    return "-" if at is None else f"{at.value:.4g} at {at.step:,}"


def _spread(spread: "Spread | None") -> str:
    if spread is None:
        return "-"
    deviation = f", deviation {spread.deviation:.2g}" if spread.deviation is not None else ""
    return f"mean {spread.mean:.4g}, {spread.low:.4g} to {spread.high:.4g}{deviation} (best values)"
