"""`vitbench compare RUN RUN...`: recipes, scores and mistakes of runs beside each other."""

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from vitbench.commands._outputs import add_overwrite, outputs_of, say
from vitbench.commands._runs import add_run, find_runs
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.text import counted

if TYPE_CHECKING:
    from vitbench.comparing.report import Comparison


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
    parser.add_argument(
        "--curves", metavar="FILE", help="the curves of a scalar, --metric or the first, as .csv, .png, .pdf or .svg"
    )
    parser.add_argument("--group", action="store_true", help="in --curves, seeds as one line: the mean in a band")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the comparison."""
    from vitbench.comparing.report import compare
    from vitbench.comparing.rows import header, table
    from vitbench.comparing.words import lines

    outputs = outputs_of(arguments)
    out = Path(arguments.out).expanduser() if arguments.out else None
    curves = Path(arguments.curves).expanduser() if arguments.curves else None
    if curves is not None and curves.suffix.lower() != ".csv":
        from vitbench.figures.save import check_figure_ending
        from vitbench.requests.drawing import FIGURE_ENDINGS

        check_figure_ending(curves, (*FIGURE_ENDINGS, ".csv"))
    for file in (out, curves):
        if file is not None:
            outputs.plan(file)
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
            say(f"{counted(len(rows), 'picture')} on which they disagree: {written}", file=written)
    if curves is not None:
        written = outputs.write(curves, _curves(found, curves.suffix.lower(), arguments.group))
        if not arguments.json:
            say(f"Saved {written}", file=written)
    return 0


def _curves(found: "Comparison", ending: str, grouped: bool) -> bytes:
    """The curves of the first scalar of a comparison. Raises UserError where it has none."""
    from vitbench.comparing.curves import lines_csv, lines_of

    tag = next(iter(found.scores), "")
    drawn = lines_of(found, tag, grouped)
    if not drawn:
        raise UserError("The runs have measured nothing yet, so there are no curves to save.")
    if ending == ".csv":
        return lines_csv(drawn, "step").encode("utf-8", "surrogateescape")
    from vitbench.figures.curves import compose_curves
    from vitbench.figures.plots import SERIES_COLOURS
    from vitbench.figures.save import sheet_bytes
    from vitbench.requests.plots import CurvesRequest

    request = CurvesRequest.read(
        {
            "title": tag,
            "curves": [
                {
                    "name": line.name,
                    "colour": SERIES_COLOURS[number % len(SERIES_COLOURS)],
                    "dash": number // len(SERIES_COLOURS),
                    "x": line.x.tolist(),
                    "y": line.y.tolist(),
                    "low": None if line.low is None else line.low.tolist(),
                    "high": None if line.high is None else line.high.tolist(),
                }
                for number, line in enumerate(drawn)
            ],
        }
    )
    return sheet_bytes(compose_curves(request), ending)
