"""What the commands on the maps of words share: how the maps are made."""

import argparse
from typing import TYPE_CHECKING

from vitbench.commands._figures import numbered
from vitbench.errors import UserError

if TYPE_CHECKING:
    from vitbench.captions.word_maps import MapSettings

METHODS = "raw, raw_minus_mean, explained_away, gradient_attention, relevancy or occlusion (default raw)"


def add_map_settings(parser: argparse.ArgumentParser, methods: str = METHODS) -> None:
    """Declares the method, the layer and head that it looks at, and the row."""
    parser.add_argument("--method", default="raw", help=methods)
    parser.add_argument("--layer", type=int, metavar="N", help="decoder layer from 1 (default: mean over layers)")
    parser.add_argument("--head", type=int, metavar="N", help="attention head from 1 (default: mean over heads)")
    parser.add_argument(
        "--row",
        choices=("predicting", "reading"),
        default="predicting",
        help="the row that predicts a word, or the one that reads it",
    )


def map_settings(arguments: argparse.Namespace) -> "MapSettings":
    """What the arguments say. Raises UserError for a layer or head that a method has not, and for one below 1."""
    from vitbench.captions.word_maps import HAS_LAYERS, METHODS, OF_ATTENTION, MapSettings

    for option, methods in (("layer", HAS_LAYERS), ("head", OF_ATTENTION)):
        if getattr(arguments, option) is not None and arguments.method in METHODS and arguments.method not in methods:
            raise UserError(f"--{option} is for {', '.join(methods)}; {arguments.method} is made of all of them.")
    layer, head = numbered(arguments.layer, "--layer"), numbered(arguments.head, "--head")
    return MapSettings(arguments.method, layer, head, arguments.row)
