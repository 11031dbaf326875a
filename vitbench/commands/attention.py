"""`vitbench attention`: what a network looks at, as a figure and as numbers."""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from vitbench.commands._figures import announce, figure_path, numbered, patch_from
from vitbench.commands._outputs import add_overwrite, outputs_of
from vitbench.errors import UserError
from vitbench.explain.attention_figure import AttentionFigure, AttentionRequest, attention_figure
from vitbench.figures.save import check_figure_ending, figure_bytes
from vitbench.files.names import distinct_names
from vitbench.files.outputs import Outputs
from vitbench.models.network import open_network
from vitbench.output import print_json
from vitbench.places import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.runs.store import Store
from vitbench.text import clean, small_error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments. Layers, heads, rows and columns are numbered from 1."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, `demo`, a timm name, or a checkpoint folder")
    parser.add_argument("pictures", metavar="IMAGE", nargs="+")
    parser.add_argument("--method", default="libra", help="raw, rollout, generic, chefer_lrp, libra (default), ...")
    parser.add_argument("--layer", type=int, help="from 1 (default: the last)")
    parser.add_argument("--head", type=int, help="from 1; 0 is the mean (default)")
    parser.add_argument("--target", help="class to explain, by name or number (default: the likeliest)")
    parser.add_argument("--query", metavar="R,C", help="the patch that looks, row and column from 1")
    parser.add_argument("--grid", choices=["heads", "layers", "methods"], help="all of them, side by side")
    parser.add_argument("--methods", metavar="M,M,...", help="for --grid methods: which")
    parser.add_argument("--preprocess", choices=["own", "report"], default="own", help="report: squashed, centre cut")
    parser.add_argument("--mask-outliers", action="store_true", help="leave out outlier tokens")
    parser.add_argument("--tutorial", action="store_true", help="q k of block 1 as a known tutorial draws it")
    parser.add_argument("--strength", type=float, default=0.55, help="of the map over the picture, 0 to 1")
    parser.add_argument("--colour-map", default="jet")
    parser.add_argument("--nearest", action="store_true", help="patches as squares instead of smooth")
    parser.add_argument("--out", metavar="FILE|DIR", type=Path, help="PNG, PDF or SVG (default: attention.png)")
    parser.add_argument("--separate", action="store_true", help="one file a picture, named after it")
    parser.add_argument("--arrays", action="store_true", help="the maps too, as .npz beside the figure")
    parser.add_argument("--json", action="store_true")
    add_overwrite(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draws, saves and prints where."""
    groups = [[file] for file in arguments.pictures] if arguments.separate else [arguments.pictures]
    names = distinct_names([Path(file) for file in arguments.pictures], "") if arguments.separate else ["attention"]
    requests = [_request(arguments, group) for group in groups]
    paths = [figure_path(arguments.out, name) for name in names]
    outputs = outputs_of(arguments, inputs=[arguments.network, *arguments.pictures])
    for path in paths:
        check_figure_ending(path)
        outputs.plan(path, *([path.with_suffix(".npz")] if arguments.arrays else []))
    progress = ConsoleProgress()
    network = open_network(arguments.network, Store(store_folder(arguments.store)), progress)
    documents = []
    for request, path in zip(requests, paths, strict=True):
        drawn = attention_figure(request, network, progress)
        documents.append(_save(outputs, drawn, path, arguments.arrays))
        if not arguments.json:
            _print(drawn)
            announce(path)
    if arguments.json:
        print_json(documents[0] if not arguments.separate else documents, indent=2)
    return 0


def _request(arguments: argparse.Namespace, pictures: list[str]) -> AttentionRequest:
    try:
        return AttentionRequest(
            network=arguments.network,
            pictures=[str(Path(file).absolute()) for file in pictures],
            method=arguments.method,
            methods=arguments.methods.split(",") if arguments.methods else [],
            layer=numbered(arguments.layer, "--layer"),
            head=numbered(arguments.head, "--head") if arguments.head else None,
            target=arguments.target,
            query=patch_from(arguments.query) if arguments.query else None,
            grid=arguments.grid,
            preprocess=arguments.preprocess,
            mask_outliers=arguments.mask_outliers,
            tutorial=arguments.tutorial,
            strength=arguments.strength,
            colour_map=arguments.colour_map,
            smooth=not arguments.nearest,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{first['loc'][0]}: {first['msg']}.") from None


def _save(outputs: Outputs, drawn: AttentionFigure, path: Path, arrays: bool) -> dict[str, Any]:
    outputs.write(path, figure_bytes(drawn.figure, path.suffix, drawn.facts))
    document: dict[str, Any] = {"figure": str(path), **drawn.facts["facts"]}
    if arrays:
        beside = path.with_suffix(".npz")
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **drawn.arrays)
        outputs.write(beside, content.getvalue())
        document["arrays"] = str(beside)
    return document


def _print(drawn: AttentionFigure) -> None:
    for picture in drawn.pictures:
        print(clean(picture["file"]))
        for guess in picture["top"]:
            print(f"  {guess['probability']:6.1%}  {clean(guess['label'])}")
        for method, error in picture.get("completeness_error", {}).items():
            print(f"  completeness error of {method}: {small_error(error)}")
        if "outliers" in picture:
            print(f"  {picture['outliers']['patches']} outlier patches")
