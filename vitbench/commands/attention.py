"""`vitbench attention`: what a network looks at, as a figure and as numbers."""

import argparse
from pathlib import Path
from typing import Any

from vitbench.commands._figures import add_drawing, add_image_size, announce, drawing_of, figure_path, patch_from
from vitbench.commands._methods import add_methods, options_from
from vitbench.commands._networks import add_classes
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.figures.sheet import Sheet
from vitbench.files.names import distinct_names
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.attention import GRIDS, AttentionRequest
from vitbench.text import clean, counted, small_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments. Layers, heads, rows and columns are numbered from 1."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, `demo`, a timm name, or a checkpoint folder")
    parser.add_argument("pictures", metavar="IMAGE", nargs="+")
    add_methods(parser)
    parser.add_argument("--layer", type=int, help="from 1 (default: the last)")
    parser.add_argument("--head", type=int, help="from 1; 0 is the mean (default)")
    parser.add_argument("--target", help="class to explain, by name or number (default: the likeliest)")
    parser.add_argument("--query", metavar="R,C", help="the patch that looks, row and column from 1")
    parser.add_argument("--grid", choices=GRIDS, help="all of them, side by side")
    parser.add_argument("--methods", metavar="M,M,...", help="for --grid methods: which")
    parser.add_argument("--targets", metavar="CLASS", nargs="+", help="for --grid classes: which (default: likeliest)")
    parser.add_argument(
        "--steps", metavar="N,N,...|all", help="for --grid checkpoints and methods: a run's checkpoints"
    )
    parser.add_argument("--other", metavar="RUN|MODEL", help="for --grid compare: the second network")
    parser.add_argument("--preprocess", choices=["own", "report"], help="report: squashed, centre cut (default: own)")
    parser.add_argument("--scale", choices=["full", "robust"], help="robust: colours end at the 98th percentile")
    parser.add_argument("--mask-outliers", action="store_true", help="leave out outlier tokens")
    add_classes(parser)
    parser.add_argument("--tutorial", action="store_true", help="q k of block 1 as a known tutorial draws it")
    parser.add_argument("--strength", type=float, help="of the map over the picture, 0 to 1")
    add_image_size(parser)
    parser.add_argument("--colour-map")
    parser.add_argument("--nearest", action="store_true", help="patches as squares instead of smooth")
    parser.add_argument("--out", metavar="FILE|DIR", type=Path, help="PNG, PDF or SVG (default: attention.png)")
    parser.add_argument("--separate", action="store_true", help="one file per picture, named after it")
    parser.add_argument("--arrays", action="store_true", help="the maps too, as .npz beside the figure")
    parser.add_argument("--json", action="store_true")
    add_drawing(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draws, saves and prints where."""
    from vitbench.compose import compose
    from vitbench.compose.sources import Sources
    from vitbench.figures.save import array_bytes, check_figure_ending, sheet_bytes

    groups = [[file] for file in arguments.pictures] if arguments.separate else [arguments.pictures]
    names = distinct_names([Path(file) for file in arguments.pictures], "") if arguments.separate else ["attention"]
    requests = [request_from(arguments, group) for group in groups]
    drawing = drawing_of(arguments)
    paths = [figure_path(arguments.out, name) for name in names]
    outputs = outputs_of(arguments, inputs=[arguments.network, arguments.classes, *arguments.pictures])
    for path in paths:
        check_figure_ending(path)
        outputs.plan(path, *([path.with_suffix(".npz")] if arguments.arrays else []))
    sources, progress = Sources(store_folder(arguments.store)), ConsoleProgress()
    documents = []
    for request, path in zip(requests, paths, strict=True):
        sheet = compose(request, sources, progress)
        outputs.write(path, sheet_bytes(sheet, path.suffix, drawing))
        document: dict[str, Any] = {"figure": str(path), **sheet.facts}
        if arguments.arrays:
            document["arrays"] = str(outputs.write(path.with_suffix(".npz"), array_bytes(sheet.arrays)))
        documents.append(document)
        if not arguments.json:
            _print(sheet)
            announce(path)
    if arguments.json:
        print_json(documents if arguments.separate else documents[0], indent=2)
    return 0


def request_from(arguments: argparse.Namespace, pictures: list[str]) -> AttentionRequest:
    """The request that the arguments describe; what is not given has the request's own default."""
    steps = arguments.steps
    given = {
        "method": arguments.method,
        "methods": arguments.methods.split(",") if arguments.methods else None,
        "layer": arguments.layer,
        "head": arguments.head or None,
        "target": arguments.target,
        "targets": arguments.targets,
        "query": patch_from(arguments.query) if arguments.query else None,
        "options": options_from(arguments.option) or None,
        "grid": "tutorial" if arguments.tutorial else arguments.grid,
        "other": arguments.other,
        "steps": steps.split(",") if steps and steps != "all" else steps,
        "preprocess": arguments.preprocess,
        "mask_outliers": arguments.mask_outliers or None,
        "scale": arguments.scale,
        "strength": arguments.strength,
        "classes": str(Path(arguments.classes).expanduser().absolute()) if arguments.classes else None,
        "image_size": arguments.image_size,
        "colour_map": arguments.colour_map,
        "smooth": False if arguments.nearest else None,
    }
    subject = {"network": arguments.network, "pictures": [str(Path(file).absolute()) for file in pictures]}
    return AttentionRequest.read(subject | {name: value for name, value in given.items() if value is not None})


def _print(sheet: Sheet) -> None:
    for picture in sheet.facts["pictures"]:
        print(clean(picture["file"]))
        if "no_classes" in picture:
            print(f"  {clean(picture['no_classes'])}")
        for guess in picture["top"]:
            number = f"{guess['probability']:6.1%}" if "probability" in guess else f"{guess['value']:6.4g}"
            print(f"  {number}  {clean(guess['label'])}")
        for method, error in picture.get("completeness_error", {}).items():
            print(f"  completeness error of {method}: {small_error(error)}")
        if "outliers" in picture:
            print(f"  {counted(picture['outliers']['patches'], 'outlier patch')}")
    for line in sheet.caption.splitlines():
        print(clean(line))
