"""`vitbench figure`: makes a saved figure again from what it says about itself, or one of any kind from its request."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.commands._figures import add_drawing, announce, drawing_of
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.compose import compose, read_request
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.provenance import FORMAT, changed_inputs, read_provenance
from vitbench.figures.save import check_figure_ending, sheet_bytes
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.drawing import Drawing
from vitbench.requests.kinds import KINDS
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    again = actions.add_parser("again", help="make a saved figure again")
    again.add_argument("file", metavar="FILE", type=Path, help="PNG, PDF or SVG")
    again.add_argument("--out", metavar="FILE", type=Path, help="default: `FILE again` beside it")
    again.add_argument("--anyway", action="store_true", help="even if weights or pictures have changed")
    add_drawing(again)
    add_overwrite(again)
    make = actions.add_parser(
        "make",
        help="make a figure of any kind from its request",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["kinds:", *(f"  {kind.name:<16}{kind.summary}" for kind in KINDS.values())]),
    )
    make.add_argument("kind", metavar="KIND", help="which; see below")
    make.add_argument("values", metavar="KEY=VALUE", nargs="*", help="what the request asks for; lists with commas")
    make.add_argument("--out", metavar="FILE", type=Path, required=True, help="PNG, PDF or SVG")
    add_drawing(make)
    add_overwrite(make)


def run(arguments: argparse.Namespace) -> int:
    """Composes, draws and saves."""
    return _make(arguments) if arguments.action == "make" else _again(arguments)


def _make(arguments: argparse.Namespace) -> int:
    """A figure of any kind; what its request is not told has the request's own default."""
    kind = KINDS.find(arguments.kind)
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
    sheet = compose(request, Sources(store_folder(arguments.store)), ConsoleProgress())
    outputs.write(arguments.out, sheet_bytes(sheet, arguments.out.suffix, drawing_of(arguments)))
    for line in sheet.caption.splitlines():
        print(clean(line))
    announce(arguments.out)
    return 0


def _again(arguments: argparse.Namespace) -> int:
    """Reads, checks that the inputs are still the same, draws and saves."""
    recorded = read_provenance(arguments.file)
    path = arguments.out or arguments.file.with_name(f"{arguments.file.stem} again{arguments.file.suffix}")
    check_figure_ending(path)
    outputs = outputs_of(arguments, inputs=[arguments.file, *recorded["inputs"]])
    outputs.plan(path)
    if recorded["kind"] not in KINDS:
        raise UserError(f"{arguments.file} is a figure of kind {recorded['kind']!r}, which cannot be made again.")
    changed, content = _compose_again(recorded, path, arguments)
    outputs.write(path, content)
    if changed:
        print(clean(f"Changed since: {', '.join(changed)}"))
    announce(path)
    return 0


def _compose_again(recorded: dict[str, Any], path: Path, arguments: argparse.Namespace) -> tuple[list[str], bytes]:
    """The names of inputs that have changed, and the figure composed and drawn."""
    if recorded.get("format") != FORMAT:
        raise UserError(
            f"{arguments.file} was saved by an earlier version of vitbench, which counted layers and heads from 0:"
            " ask for the figure again with its command."
        )
    request = read_request(recorded["kind"], recorded["request"])
    sheet = compose(request, Sources(store_folder(arguments.store)), ConsoleProgress())
    changed = changed_inputs(recorded["inputs"], sheet.inputs)
    _refuse(changed, arguments)
    drawing = Drawing.read(dict(recorded.get("drawing") or {}) | drawing_of(arguments).given())
    return changed, sheet_bytes(sheet, path.suffix, drawing)


def _refuse(changed: list[str], arguments: argparse.Namespace) -> None:
    if changed and not arguments.anyway:
        raise UserError(
            f"Another figure would come out, because these have changed: {', '.join(changed)};"
            " --anyway makes it all the same."
        )
