"""What the commands on a network share: which one, and where it computes."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from vitbench.errors import UserError
from vitbench.paths import store_folder
from vitbench.progress import Progress
from vitbench.runs.store import Store
from vitbench.text import clean

if TYPE_CHECKING:
    import torch

    from vitbench.training.chosen import Chosen


def add_network(parser: argparse.ArgumentParser) -> None:
    """Declares the network, its device and the batch size."""
    words = "a run (@best, @last or @STEP), demo, timm:NAME, pretrained_vit:NAME, or a checkpoint folder"
    parser.add_argument("network", metavar="RUN", help=words)
    add_device(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="pictures at once; without it, the run's")
    add_classes(parser)


def add_classes(parser: argparse.ArgumentParser) -> None:
    """Declares the file that names the classes of weights from elsewhere."""
    words = "what the classes are called: one name per line, or JSON such as config.json with its id2label"
    parser.add_argument("--classes", metavar="FILE", help=words)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declares where it computes."""
    parser.add_argument("--device", default="auto", help="auto (a GPU that is free, else the CPU), cpu, cuda or cuda:N")


def chosen_device(arguments: argparse.Namespace) -> "torch.device":
    """Where the command computes, on a GPU of its own; what a person should know of that goes to stderr."""
    from vitbench.training.device import device_of_command

    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", arguments.device, re.ASCII):
        raise UserError(f"--device {arguments.device}: choose auto, cpu, cuda or cuda:N.")
    return device_of_command(arguments.device, lambda note: print(clean(note), file=sys.stderr))


def check_batch_size(arguments: argparse.Namespace) -> None:
    """Raises UserError for a batch without a picture."""
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise UserError(f"--batch-size {arguments.batch_size}: at least one picture.")


def open_chosen(arguments: argparse.Namespace, progress: Progress) -> "Chosen":
    """The network that was named, on its device."""
    from vitbench.training import chosen

    check_batch_size(arguments)
    return chosen.open_chosen(
        arguments.network,
        Store(store_folder(arguments.store)),
        device=chosen_device(arguments),
        batch_size=arguments.batch_size,
        classes=getattr(arguments, "classes", None),
        progress=progress,
    )
