"""`vitbench knn RUN|MODEL --data DIR`: how good features are, by their nearest neighbours, as DINO's papers do it."""

import argparse

from vitbench.commands._figures import add_image_size
from vitbench.commands._networks import add_device, chosen_device
from vitbench.errors import UserError
from vitbench.output import print_json
from vitbench.paths import store_folder
from vitbench.progress import ConsoleProgress
from vitbench.requests.features import POOLS, VOTERS
from vitbench.requests.sizes import read_image_size
from vitbench.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("network", metavar="RUN|MODEL", help="a run, demo, a timm name, or a checkpoint folder")
    parser.add_argument("--data", metavar="DIR", help="labelled pictures; without it, a run's own")
    words = "how --data is read, instead of what is recognised, as vitbench data --as"
    parser.add_argument("--as", dest="layout", metavar="LAYOUT", default="", help=words)
    known = ",".join(map(str, VOTERS))
    parser.add_argument("-k", "--neighbours", metavar="K,K,...", default=known, help=f"voters (default {known})")
    words = "a vote weighs exp(cosine / T); DINO's is 0.07 (default)"
    parser.add_argument("--temperature", type=float, metavar="T", default=0.07, help=words)
    parser.add_argument("--layer", type=int, help="of the features, from 1 (default: the last)")
    parser.add_argument("--pool", choices=POOLS, help="class token or mean of the patches (default: what there is)")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    add_image_size(parser)
    add_device(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the accuracy for each number of neighbours, with its interval."""
    from vitbench.training.neighbours import neighbours_of

    counts = _counts(arguments.neighbours)
    if not arguments.temperature > 0:
        raise UserError(f"--temperature {arguments.temperature:g} must be above 0.")
    if arguments.layer is not None and arguments.layer < 1:
        raise UserError(f"--layer {arguments.layer}: layers count from 1.")
    progress = ConsoleProgress()
    found = neighbours_of(
        arguments.network,
        store_folder(arguments.store),
        data=arguments.data,
        layout=arguments.layout,
        counts=counts,
        temperature=arguments.temperature,
        layer=arguments.layer,
        pool=arguments.pool,
        image_size=read_image_size(arguments.image_size),
        device=chosen_device(arguments),
        progress=progress,
    )
    progress.close()
    if arguments.json:
        print_json(found.document())
        return 0
    for line in found.lines():
        print(clean(line))
    return 0


def _counts(said: str) -> tuple[int, ...]:
    words = [word.strip() for word in said.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 10**6 for word in words):
        raise UserError(f"--neighbours {said}: numbers from 1 on with commas between them, such as 10,20.")
    return tuple(dict.fromkeys(map(int, words)))
