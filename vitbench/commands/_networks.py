"""What the commands on a network share: which one, and where it computes."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitbench.errors import UserError
from vitbench.places import store_folder
from vitbench.progress import Progress
from vitbench.runs.store import Run, Store

if TYPE_CHECKING:
    import torch

    from vitbench.models.network import Network


@dataclass(frozen=True)
class Chosen:
    """A network with the device to run it on; `run` is where it was trained, if it was here."""

    network: "Network"
    device: "torch.device"
    batch_size: int
    run: Run | None


def add_network(parser: argparse.ArgumentParser) -> None:
    """Declares the network, its device and the batch size."""
    words = "a run (@best, @last or @STEP), demo, timm:NAME, pretrained_vit:NAME, or a checkpoint folder"
    parser.add_argument("network", metavar="RUN", help=words)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--batch-size", type=int, metavar="N", help="pictures at once; without it, the run's")


def open_chosen(arguments: argparse.Namespace, progress: Progress) -> Chosen:
    """The network that was named, on its device."""
    from vitbench.models.network import open_network
    from vitbench.training.device import choose_device

    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise UserError(f"--batch-size {arguments.batch_size}: at least one picture.")
    store = Store(store_folder(arguments.store))
    run = _run(store, arguments.network)
    if run is not None and run.recipe().task != "classify":
        raise UserError(f"Run {run.id} trained a captioner, which gives sentences instead of labels.")
    device = choose_device(arguments.device)
    network = open_network(arguments.network, store, progress)
    network.module.to(device)
    batch_size = arguments.batch_size or (run.recipe().train.batch_size if run is not None else 32)
    return Chosen(network, device, batch_size, run)


def _run(store: Store, reference: str) -> Run | None:
    """The run that a reference names, if it names one."""
    try:
        return store.find(reference.partition("@")[0])
    except UserError:
        return None
