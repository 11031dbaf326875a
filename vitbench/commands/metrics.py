"""`vitbench metrics RUN|PATH`: the scalars of a run, or of any folder or file of TensorBoard events."""

import argparse
import os

from vitbench.commands._runs import find_run
from vitbench.comparing.scores import plain_number
from vitbench.errors import UserError
from vitbench.nearest import perhaps, perhaps_path
from vitbench.output import complain, print_json, print_row
from vitbench.paths import expanded
from vitbench.watching.event_files import event_files_below, read_event_files

_NAMED = 20
"""Scalars that are named to one who asks for another."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    words = (
        "a run (id, beginning of one, name, or last); or any folder with TensorBoard event files at any depth (Keras,"
        " Lightning, Hugging Face), or one such file, also .gz"
    )
    parser.add_argument("run", metavar="RUN|PATH", help=words)
    parser.add_argument("--tag", action="append", metavar="TAG", help="only this scalar; may be given again")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="tag,step,wall_time,value (the default)")
    form.add_argument("--json", action="store_true", help="one object: tag, then steps, wall times and values")


def run(arguments: argparse.Namespace) -> int:
    """Prints the scalars. Values that are not finite are written `nan` and `inf` in CSV, and null in JSON."""
    path = expanded(arguments.run)
    if not os.path.lexists(path) or (path.is_dir() and not event_files_below(path) and _is_run(arguments)):
        try:
            path = find_run(arguments).folder
        except UserError as error:
            if os.path.lexists(path) or not str(error).startswith("There is no run "):
                raise
            # A path may have been meant as well.
            there = f"There is no file or folder {path}{perhaps_path(path)}. "
            raise UserError(f"{there}{error}") from error
    found = read_event_files(path)
    for problem in found.problems:
        complain(problem)
    unknown = sorted(set(arguments.tag or ()) - set(found.series))
    if unknown:
        near = perhaps(unknown[0], found.series)
        names = sorted(found.series)
        has = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        raise UserError(f"There is no scalar {unknown[0]!r} in {path.name}{near}; it has: {has}.")
    chosen = {tag: series for tag, series in sorted(found.series.items()) if tag in (arguments.tag or found.series)}
    if arguments.json:
        document = {
            tag: {
                "steps": series.steps.tolist(),
                "wall_times": series.wall_times.tolist(),
                "values": [float(plain_number(value, exact=True)) for value in series.values.tolist()],
            }
            for tag, series in chosen.items()
        }
        print_json(document, indent=None)
        return 0
    print_row("tag", "step", "wall_time", "value")
    for tag, series in chosen.items():
        columns = zip(series.steps.tolist(), series.wall_times.tolist(), series.values.tolist(), strict=True)
        for step, wall_time, value in columns:
            print_row(tag, step, wall_time, plain_number(value, exact=True))
    return 0


def _is_run(arguments: argparse.Namespace) -> bool:
    try:
        find_run(arguments)
    except UserError:
        return False
    return True
