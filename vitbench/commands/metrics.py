"""`vitbench metrics RUN`: the scalars of a run, or of any folder with TensorBoard event files."""

import argparse
from pathlib import Path

from vitbench.commands._runs import add_run, find_run
from vitbench.errors import UserError
from vitbench.output import complain, print_json, print_row
from vitbench.runs.events import EventReader, event_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser)
    parser.add_argument("--tag", action="append", metavar="TAG", help="only this scalar; may be given again")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="tag,step,wall_time,value (the default)")
    form.add_argument("--json", action="store_true", help="one object: tag, then steps, wall times and values")


def run(arguments: argparse.Namespace) -> int:
    """Prints the scalars. Values that are not finite are written `nan` and `inf` in CSV, and null in JSON."""
    folder = Path(arguments.run)
    if not (folder.is_dir() and event_files(folder)):
        folder = find_run(arguments).folder
    reader = EventReader(folder)
    reader.read()
    for problem in reader.problems:
        complain(problem)
    unknown = sorted(set(arguments.tag or ()) - set(reader.series))
    if unknown:
        raise UserError(
            f"There is no scalar {unknown[0]!r} in {folder.name}; it has: {', '.join(sorted(reader.series))}."
        )
    chosen = {tag: series for tag, series in sorted(reader.series.items()) if tag in (arguments.tag or reader.series)}
    if arguments.json:
        document = {
            tag: {
                "steps": series.steps.tolist(),
                "wall_times": series.wall_times.tolist(),
                "values": series.values.tolist(),
            }
            for tag, series in chosen.items()
        }
        print_json(document, indent=None)
        return 0
    print_row("tag", "step", "wall_time", "value")
    for tag, series in chosen.items():
        columns = zip(series.steps.tolist(), series.wall_times.tolist(), series.values.tolist(), strict=True)
        for row in columns:
            print_row(tag, *row)
    return 0
