"""What the commands on the maps of words share: how the maps are made."""

import argparse

from vitbench.requests.captions import WORD_METHODS

METHODS = f"{', '.join(WORD_METHODS)} (default raw)"


def add_map_settings(parser: argparse.ArgumentParser, methods: str = METHODS) -> None:
    """Declares the method, the layer and head that it looks at, and the row."""
    parser.add_argument("--method", default="raw", help=methods)
    words = "from 1, or 0 for the mean; without both, each kind of word by its best head on the validation split"
    parser.add_argument("--layer", type=int, metavar="N", help=f"decoder layer {words}")
    parser.add_argument("--head", type=int, metavar="N", help="attention head from 1, or 0 for the mean")
    parser.add_argument(
        "--row",
        choices=("predicting", "reading"),
        default="predicting",
        help="the row that predicts a word, or the one that reads it",
    )


def chosen_heads(arguments: argparse.Namespace) -> dict[str, object]:
    """Layer and head from 1 (None is the mean), or each kind of word by its own where nobody named one, as fields of a
    request."""
    if arguments.layer is not None or arguments.head is not None or arguments.method != "raw":
        return {"layer": arguments.layer or None, "head": arguments.head or None}
    return {"by_kind": True}
