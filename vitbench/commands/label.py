"""`vitbench label RUN`: its name, tags and note, and whether it is put away."""

import argparse

from vitbench.commands._runs import add_run, find_runs
from vitbench.errors import UserError
from vitbench.runs.about import change_tags, checked_name, read_about, read_note, write_about, write_note
from vitbench.runs.store import Run
from vitbench.runs.transition import rename
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_run(parser, many=True)
    parser.add_argument("--name", help="a new name")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="add a tag; may be given again")
    parser.add_argument("--untag", action="append", default=[], metavar="TAG", help="take a tag away")
    parser.add_argument("--note", metavar="TEXT", help="replace the note; an empty text takes it away")
    away = parser.add_mutually_exclusive_group()
    away.add_argument("--archive", action="store_true", help="put away: `vitbench runs` shows it only with --all")
    away.add_argument("--unarchive", action="store_true", help="take out again")


def run(arguments: argparse.Namespace) -> int:
    """Changes what is to be changed, and prints what is now said of each run."""
    runs = find_runs(arguments)
    if arguments.name is not None and len(runs) > 1:
        raise UserError("Several runs cannot have one name; name one run.")
    name = checked_name(arguments.name) if arguments.name is not None else None
    for one in runs:
        if name is not None:
            rename(one, name)
        if arguments.tag or arguments.untag:
            change_tags(one, tuple(arguments.tag), tuple(arguments.untag))
        if arguments.archive or arguments.unarchive:
            write_about(one, read_about(one).model_copy(update={"archived": arguments.archive}))
        if arguments.note is not None:
            write_note(one, arguments.note)
        _print(one)
    return 0


def _print(run: Run) -> None:
    about = read_about(run)
    away = "  (archived)" if about.archived else ""
    print(clean(f"{run.id}  {run.status().name}{away}"))
    if about.tags:
        print(clean(f"tags    {' '.join(about.tags)}"))
    if about.parent is not None:
        print(clean(f"from    {about.parent.name or about.parent.id} at step {about.parent.step:,}"))
    for number, line in enumerate(read_note(run).splitlines()):
        print(clean(f"{'' if number else 'note':<8}{line}"))
