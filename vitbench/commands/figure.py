"""`vitbench figure again FILE`: makes a saved figure again from what it says about itself."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.commands._figures import add_drawing, announce, drawing_of
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.compose import KINDS, compose, read_request
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.figures.provenance import FORMAT, changed_inputs, read_provenance
from vitbench.figures.save import check_figure_ending, sheet_bytes
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.drawing import Drawing
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


def run(arguments: argparse.Namespace) -> int:
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
