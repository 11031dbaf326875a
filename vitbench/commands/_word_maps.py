"""What the commands on the maps of words share: how the maps are made."""

import argparse

from vitbench.requests.captions import WORD_METHODS

METHODS = f"{', '.join(WORD_METHODS)} (default raw)"


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
