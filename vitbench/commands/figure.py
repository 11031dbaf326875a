"""`vitbench figure`: makes a saved figure again from what it says about itself, or one of any kind from its request."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.commands._figures import add_drawing, announce, drawing_of
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.errors import UserError
from vitbench.figures.provenance import read_provenance
from vitbench.figures.remote import scp_line
from vitbench.figures.saved import saved_figures, what_it_shows
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress, moment
from vitbench.requests.base import Request
from vitbench.requests.kinds import FIGURE_KINDS
from vitbench.runs.store import Store
from vitbench.text import clean, shortened

if TYPE_CHECKING:
    from vitbench.figures.sheet import Sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    again = actions.add_parser("again", help="make a saved figure again")
    again.add_argument("file", metavar="FILE", type=Path, help="PNG, PDF or SVG")
    again.add_argument("--out", metavar="FILE", type=Path, help="default: `FILE again` beside it")
    again.add_argument("--anyway", action="store_true", help="even if weights or pictures have changed")
    add_drawing(again)
    add_overwrite(again)
    shown = actions.add_parser("list", help="the saved figures of a run, or of the store")
    shown.add_argument("run_", metavar="RUN", nargs="?", help="an id, the beginning of one, a name, or `last`")
    shown.add_argument("--json", action="store_true")
    make = actions.add_parser(
        "make",
        help="make a figure of any kind from its request",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["kinds:", *(f"  {kind.name:<16}{kind.summary}" for kind in FIGURE_KINDS.values())]),
    )
    make.add_argument("kind", metavar="KIND", help="which; see below")
    make.add_argument("values", metavar="KEY=VALUE", nargs="*", help="what the request asks for; lists with commas")
    make.add_argument("--out", metavar="FILE", type=Path, required=True, help="PNG, PDF or SVG")
    add_drawing(make)
    add_overwrite(make)


def run(arguments: argparse.Namespace) -> int:
    """Composes, draws and saves."""
    actions = {"make": _make, "again": _again, "list": _list}
    return actions[arguments.action](arguments)


def _make(arguments: argparse.Namespace) -> int:
    """A figure of any kind; what its request is not told has the request's own default."""
    from vitbench.figures.save import check_figure_ending, sheet_bytes

    kind = FIGURE_KINDS.find(arguments.kind)
    fields = kind.request.model_fields
    values: dict[str, Any] = {}
    for given in arguments.values:
        key, equals, value = given.partition("=")
        if not equals or key not in fields:
            raise UserError(f"{given} is not KEY=VALUE with a key of the figure {kind.name}: {', '.join(fields)}.")
        values[key] = value.split(",") if "tuple" in str(fields[key].annotation) else value
    request = kind.request.read(values)
    check_figure_ending(arguments.out)
    named = [one for value in values.values() for one in ([value] if isinstance(value, str) else value)]
    outputs = outputs_of(arguments, inputs=named)
    outputs.plan(arguments.out)
    sheet = _composed(request, arguments)
    outputs.write(arguments.out, sheet_bytes(sheet, arguments.out.suffix, drawing_of(arguments)))
    for line in sheet.caption.splitlines():
        print(clean(line))
    announce(arguments.out)
    return 0


def _composed(request: Request, arguments: argparse.Namespace) -> "Sheet":
    from vitbench.compose import compose, sources_for

    return compose(request, sources_for(request.kind, store_folder(arguments.store)), ConsoleProgress())


def _again(arguments: argparse.Namespace) -> int:
    """Reads, checks that the inputs are still the same, draws and saves."""
    from vitbench.compose.again import compose_again
    from vitbench.figures.save import check_figure_ending

    recorded = read_provenance(arguments.file)
    path = arguments.out or arguments.file.with_name(f"{arguments.file.stem} again{arguments.file.suffix}")
    check_figure_ending(path)
    outputs = outputs_of(arguments, inputs=[arguments.file, *recorded["inputs"]])
    outputs.plan(path)
    made = compose_again(
        arguments.file,
        recorded,
        path.suffix,
        lambda request: _composed(request, arguments),
        drawing=drawing_of(arguments).given(),
        anyway=arguments.anyway,
    )
    outputs.write(path, made.content)
    if made.changed:
        print(clean(f"Changed since: {', '.join(made.changed)}"))
    announce(path)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    """The saved figures of a run, or of the store, newest first, with what they show."""
    store = Store(store_folder(arguments.store))
    found = saved_figures(store, store.find(arguments.run_) if arguments.run_ else None)
    if arguments.json:
        print_json([{"file": str(one.file), "run": one.run_id, "saved_at": one.saved_at} for one in found])
        return 0
    for one in found:
        print(clean(f"{moment(one.saved_at)}  {one.file}"))
        print(clean(f"    {shortened(what_it_shows(one.file), 160)}"))
        if line := scp_line(one.file):
            print(f"    {clean(line)}")
    if not found:
        print("No figure was saved yet.")
    return 0
