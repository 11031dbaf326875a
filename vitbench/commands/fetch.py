"""`vitbench fetch`: published weights, put where runs on this machine, or on nodes without internet, find them."""

import argparse
import sys

from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.text import clean, size_in_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help="timm:NAME, pretrained_vit:NAME, or a name of timm")
    parser.add_argument("--json", action="store_true", help="one JSON list")


def run(arguments: argparse.Namespace) -> int:
    """Fetches one after the other; 2 if one of them could not be had."""
    from vitbench.models.fetching import fetch

    fetched, refused = [], []
    for model in arguments.models:
        try:
            found = fetch(model, _said)
        except UserError as error:
            refused.append(str(error))
            print(f"vitbench: {clean(str(error))}", file=sys.stderr)
            continue
        fetched.append(found)
        if not arguments.json:
            licence = f"licence {found.licence}" if found.licence else "no licence is named"
            new = "was here already" if found.was_here else "is here now"
            print(clean(f"{found.name} {new}: {size_in_words(found.size)}, {licence}, {found.file}"))
    if arguments.json:
        keys = ("name", "size", "licence", "was_here")
        print_json([{key: getattr(one, key) for key in keys} | {"file": str(one.file)} for one in fetched])
    return 2 if refused else 0


def _said(done: int, total: int, what: str) -> None:
    print(clean(what), file=sys.stderr)
