"""What the commands on a network share: which one, and where it computes."""

import argparse
from typing import TYPE_CHECKING

from vitbench.errors import UserError
from vitbench.places import store_folder
from vitbench.progress import Progress
from vitbench.runs.store import Store

if TYPE_CHECKING:
    from vitbench.training.chosen import Chosen


def add_network(parser: argparse.ArgumentParser) -> None:
    """Declares the network, its device and the batch size."""
    words = "a run (@best, @last or @STEP), demo, timm:NAME, pretrained_vit:NAME, or a checkpoint folder"
    parser.add_argument("network", metavar="RUN", help=words)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batch-size", type=int, metavar="N", help="pictures at once; without it, the run's")


def check_batch_size(arguments: argparse.Namespace) -> None:
    """Raises UserError for a batch without a picture."""
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise UserError(f"--batch-size {arguments.batch_size}: at least one picture.")


def open_chosen(arguments: argparse.Namespace, progress: Progress) -> "Chosen":
    """The network that was named, on its device."""
    from vitbench.training import chosen
    from vitbench.training.device import choose_device

    check_batch_size(arguments)
    return chosen.open_chosen(
        arguments.network,
        Store(store_folder(arguments.store)),
        device=choose_device(arguments.device),
        batch_size=arguments.batch_size,
        progress=progress,
    )
