"""A network that somebody named, with where it computes and the run that it comes from."""

from dataclasses import dataclass

import torch

from vitbench.errors import UserError
from vitbench.models.class_names import with_class_names
from vitbench.models.network import Network, open_network
from vitbench.progress import Progress
from vitbench.runs.store import Run, Store

_BATCH_SIZE = 32
"""Pictures at once for a network that comes from no run."""


@dataclass(frozen=True)
class Chosen:
    """A classifier with the device to run it on; `run` is where it was trained, if it was here."""

    network: Network
    device: torch.device
    batch_size: int
    run: Run | None


def open_chosen(
    reference: str,
    store: Store,
    *,
    device: torch.device,
    batch_size: int | None = None,
    classes: str | None = None,
    progress: Progress,
) -> Chosen:
    """The classifier that `reference` names (see `open_network`), on its device; `batch_size` None is the run's.

    `classes` is a file that says what its classes are called. Raises UserError if it names none, or a captioner.
    """
    run = _run(store, reference)
    if run is not None and run.recipe().task == "caption":
        raise UserError(f"Run {run.id} trained a captioner, which gives sentences instead of labels.")
    network = open_network(reference, store, progress)
    if classes is not None:
        network = with_class_names(network, classes)
    if run is not None and network.tag.partition("@")[0] != run.id:
        run = None  # a run may be called `demo` too
    network.module.to(device)
    return Chosen(network, device, batch_size or (run.recipe().train.batch_size if run else _BATCH_SIZE), run)


def _run(store: Store, reference: str) -> Run | None:
    """The run that a reference names, if it names one."""
    try:
        return store.find(reference.partition("@")[0])
    except UserError:
        return None
