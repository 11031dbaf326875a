"""`vitbench features`: what a network makes of each patch, as a figure and as numbers."""

import argparse
from pathlib import Path

from vitbench.commands._figures import add_drawing, add_image_size, announce, drawing_of, figure_path, patch_from
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.figures.sheet import Sheet
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.features import POOLS, VIEWS, FeaturesRequest
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments. Layers, rows and columns are numbered from 1."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, `demo`, a timm name, or a checkpoint folder")
    parser.add_argument("pictures", metavar="IMAGE", nargs="+", help="several share one basis, so that colours agree")
    parser.add_argument("--view", choices=VIEWS, help="components as colours (default), similarity, nearest")
    parser.add_argument("--layer", type=int, help="from 1 (default: the last)")
    add_image_size(parser)
    parser.add_argument("--only-foreground", action="store_true", help="colours of the foreground's own components")
    parser.add_argument("--mask-outliers", action="store_true", help="leave out outlier tokens")
    parser.add_argument("--patch", metavar="R,C", help="for --view similarity: of the first picture, from 1")
    parser.add_argument("--data", metavar="DIR", help="for --view nearest: the folder or data set to look in")
    parser.add_argument("--pool", choices=POOLS, help="for --view nearest: class token or mean of the patches")
    parser.add_argument("--count", type=int, metavar="N", help="for --view nearest: how many (default 5)")
    parser.add_argument("--neighbours", type=int, metavar="K", help="for --view nearest: voters of kNN (default 20)")
    parser.add_argument("--before", action="store_true", help="beside it, what a run started from")
    parser.add_argument("--other", metavar="RUN|MODEL", help="beside it, another network")
    parser.add_argument("--steps", metavar="N,N,...|all", help="a run's checkpoints side by side")
    parser.add_argument("--strength", type=float, help="of the colours over the picture, 0 to 1")
    parser.add_argument("--colour-map", help="for --view similarity")
    parser.add_argument("--smooth", action="store_true", help="patches smooth instead of squares")
    parser.add_argument("--out", metavar="FILE|DIR", type=Path, help="PNG, PDF or SVG (default: features.png)")
    parser.add_argument("--arrays", action="store_true", help="features and maps too, as .npz beside the figure")
    parser.add_argument("--json", action="store_true")
    add_drawing(parser)
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draws, saves and prints where."""
    from vitbench.compose import compose
    from vitbench.compose.sources import Sources
    from vitbench.figures.save import array_bytes, check_figure_ending, sheet_bytes

    request = _request(arguments)
    drawing, path = drawing_of(arguments), figure_path(arguments.out, "features")
    check_figure_ending(path)
    arrays = path.with_suffix(".npz")
    outputs = outputs_of(arguments, inputs=[arguments.network, *arguments.pictures], data=[arguments.data])
    outputs.plan(path, *([arrays] if arguments.arrays else []))
    progress = ConsoleProgress()
    sheet = compose(request, Sources(store_folder(arguments.store)), progress)
    progress.close()
    outputs.write(path, sheet_bytes(sheet, path.suffix, drawing))
    if arguments.arrays:
        outputs.write(arrays, array_bytes(sheet.arrays))
    if arguments.json:
        document = {"figure": str(path), **sheet.facts}
        print_json(document | ({"arrays": str(arrays)} if arguments.arrays else {}), indent=2)
        return 0
    _print(sheet)
    announce(path)
    return 0


def _request(arguments: argparse.Namespace) -> FeaturesRequest:
    """The request that the arguments describe; what is not given has the request's own default."""
    steps, data = arguments.steps, arguments.data
    if data and not data.startswith("scenes:") and Path(data).expanduser().exists():
        data = str(Path(data).expanduser().absolute())
    given = {
        "view": arguments.view,
        "layer": arguments.layer,
        "image_size": arguments.image_size,
        "only_foreground": arguments.only_foreground or None,
        "mask_outliers": arguments.mask_outliers or None,
        "patch": patch_from(arguments.patch) if arguments.patch else None,
        "data": data,
        "pool": arguments.pool,
        "count": arguments.count,
        "neighbours": arguments.neighbours,
        "before": arguments.before or None,
        "other": arguments.other,
        "steps": steps.split(",") if steps and steps != "all" else steps,
        "strength": arguments.strength,
        "colour_map": arguments.colour_map,
        "smooth": arguments.smooth or None,
    }
    subject = {"network": arguments.network, "pictures": [str(Path(file).absolute()) for file in arguments.pictures]}
    return FeaturesRequest.read(subject | {name: value for name, value in given.items() if value is not None})


def _print(sheet: Sheet) -> None:
    for network in sheet.facts["networks"]:
        for entry in network.get("nearest", []):
            print(clean(" ".join(filter(None, (entry["picture"], network["title"])))))
            for found in entry["found"]:
                print(f"  {found['cosine']:6.3f}  {clean(' '.join(filter(None, (found['label'], found['file']))))}")
    for line in sheet.caption.splitlines():
        print(clean(line))
