"""`vitbench positions`: what a network knows about place, as a figure and a scorecard."""

import argparse
from pathlib import Path

from vitbench.commands._figures import announce, figure_path, patch_from
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.explain.before import network_before
from vitbench.explain.position_figure import PositionFigure, PositionRequest, position_figure
from vitbench.figures.save import check_figure_ending, figure_bytes
from vitbench.models.network import open_network
from vitbench.output import print_json
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.runs.store import Store

VIEWS = ["grid", "tile", "norms", "components", "filters", "distance", "spectrum"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, `demo`, a timm name, or a checkpoint folder")
    parser.add_argument("--before", action="store_true", help="beside it, what a run started from")
    parser.add_argument("--view", choices=VIEWS, default="grid")
    parser.add_argument("--patch", metavar="R,C", help="for --view tile, with its row and column as curves; from 1")
    parser.add_argument("--pictures", metavar="IMAGE", nargs="+", default=[], help="for --view distance")
    parser.add_argument("--tutorial", action="store_true", help="also as a known tutorial draws it")
    parser.add_argument("--colour-map", default="viridis")
    parser.add_argument("--out", metavar="FILE|DIR", type=Path, help="PNG, PDF or SVG (default: positions.png)")
    parser.add_argument("--json", action="store_true")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draws, saves, and prints the scorecard."""
    path = figure_path(arguments.out, "positions")
    check_figure_ending(path)
    outputs = outputs_of(arguments, inputs=[arguments.network, *arguments.pictures])
    outputs.plan(path)
    store = Store(store_folder(arguments.store))
    progress = ConsoleProgress()
    network = open_network(arguments.network, store, progress)
    before = network_before(arguments.network, store, progress) if arguments.before else None
    request = PositionRequest(
        network=arguments.network,
        view=arguments.view,
        patch=patch_from(arguments.patch) if arguments.patch else None,
        pictures=[str(Path(file).absolute()) for file in arguments.pictures],
        tutorial=arguments.tutorial,
        colour_map=arguments.colour_map,
        before=arguments.before,
    )
    drawn = position_figure(request, network, before)
    outputs.write(path, figure_bytes(drawn.figure, path.suffix, drawn.facts))
    if arguments.json:
        print_json({"figure": str(path), **drawn.facts["facts"]}, indent=2)
        return 0
    _print(drawn)
    announce(path)
    return 0


def _print(drawn: PositionFigure) -> None:
    for kind, scores in drawn.scores.items():
        print(kind)
        for score in scores:
            if score["value"] is not None:
                print(f"  {score['value']:6.3f}  p {score['p_value']:.3f}  {score['title']}")
