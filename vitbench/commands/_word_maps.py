"""What the commands on the maps of words share: how the maps are made."""

import argparse
from pathlib import Path

from vitbench.requests.captions import WORD_METHODS

METHODS = f"{', '.join(WORD_METHODS)} (default raw)"


def add_map_settings(parser: argparse.ArgumentParser, methods: str = METHODS) -> None:
    """Declares the method, the layer and head that it looks at, and the row."""
    parser.add_argument("--method", default="raw", help=methods)
    words = "from 1, or 0 for the mean; without both, what points best on the validation split, if that was measured"
    parser.add_argument("--layer", type=int, metavar="N", help=f"decoder layer {words}")
    parser.add_argument("--head", type=int, metavar="N", help="attention head from 1, or 0 for the mean")
    parser.add_argument(
        "--row",
        choices=("predicting", "reading"),
        default="predicting",
        help="the row that predicts a word, or the one that reads it",
    )


def chosen_heads(arguments: argparse.Namespace, store: Path) -> tuple[int | None, int | None, str]:
    """Layer and head from 1 (None is the mean), and how they were chosen where nobody named one."""
    from vitbench.captions.grounding_by_head import NOT_MEASURED, heads_of
    from vitbench.captions.open import pinned
    from vitbench.runs.store import Store

    if arguments.layer is not None or arguments.head is not None or arguments.method != "raw":
        return arguments.layer or None, arguments.head or None, ""
    scores = heads_of(pinned(arguments.captioner, Store(store)), Store(store).runs_folder)
    if scores is None:
        return None, None, NOT_MEASURED
    return scores.layer, scores.head, scores.sentence()
