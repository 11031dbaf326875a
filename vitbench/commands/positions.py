"""`vitbench positions`: what a network knows about place, as a figure and a scorecard."""

import argparse
from pathlib import Path

from vitbench.commands._figures import add_drawing, add_image_size, announce, drawing_of, figure_path, patch_from
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.figures.sheet import Sheet
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.positions import VIEWS, PositionRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, `demo`, a timm name, or a checkpoint folder")
    parser.add_argument("--before", action="store_true", help="beside it, what a run started from")
    parser.add_argument("--other", metavar="RUN|MODEL", help="beside it, another network")
    parser.add_argument("--view", choices=VIEWS, help="grid (default), tile, norms, ...")
    parser.add_argument("--patch", metavar="R,C", help="for --view tile, with its row and column as curves; from 1")
    parser.add_argument("--of-kind", type=int, metavar="N", help="of several ways to mark place: which, from 1")
    parser.add_argument("--pictures", metavar="IMAGE", nargs="+", default=[], help="for --view distance")
    parser.add_argument("--tutorial", action="store_true", help="also as a known tutorial draws it")
    parser.add_argument("--stretch", action="store_true", help="colours span the values that there are, not -1 to 1")
    add_image_size(parser)
    parser.add_argument("--colour-map")
    parser.add_argument("--out", metavar="FILE|DIR", type=Path, help="PNG, PDF or SVG (default: positions.png)")
    parser.add_argument("--json", action="store_true")
    add_drawing(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draws, saves, and prints the scorecard."""
    from vitbench.compose import compose
    from vitbench.compose.sources import Sources
    from vitbench.figures.save import check_figure_ending, sheet_bytes

    given = {
        "view": arguments.view,
        "patch": patch_from(arguments.patch) if arguments.patch else None,
        "of_kind": arguments.of_kind,
        "pictures": [str(Path(file).absolute()) for file in arguments.pictures] or None,
        "tutorial": arguments.tutorial or None,
        "stretch": arguments.stretch or None,
        "image_size": arguments.image_size,
        "colour_map": arguments.colour_map,
        "before": arguments.before or None,
        "other": arguments.other,
    }
    request = PositionRequest.read(
        {"network": arguments.network} | {name: value for name, value in given.items() if value is not None}
    )
    drawing, path = drawing_of(arguments), figure_path(arguments.out, "positions")
    check_figure_ending(path)
    outputs = outputs_of(arguments, inputs=[arguments.network, *arguments.pictures])
    outputs.plan(path)
    sheet = compose(request, Sources(store_folder(arguments.store)), ConsoleProgress())
    outputs.write(path, sheet_bytes(sheet, path.suffix, drawing))
    if arguments.json:
        print_json({"figure": str(path), **sheet.facts}, indent=2)
        return 0
    _print(sheet)
    announce(path)
    return 0


def _print(sheet: Sheet) -> None:
    for kind, scores in sheet.facts["scores"].items():
        print(clean(kind))
        for score in scores:
            if score["value"] is not None:
                print(f"  {score['value']:6.3f}  p {score['p_value']:.3f}  {score['title']}")
    for line in sheet.caption.splitlines():
        print(clean(line))
