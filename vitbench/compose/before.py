"""What a run started from."""

from vitbench.errors import UserError
from vitbench.models.network import Network, build_network, open_network
from vitbench.progress import Progress, silent
from vitbench.runs.store import Store


def network_before(reference: str, store: Store, progress: Progress = silent) -> Network:
    """The network of a run as it was before its first step: its recipe's starting weights, under its own head.

    Raises UserError if the run started from random numbers, or if the weights are not to be had.
    """
    run = store.find(reference.partition("@")[0])
    model = run.recipe().model
    if not (model.pretrained or model.weights or model.name == "demo"):
        raise UserError(f"Run {run.id} started from random numbers, so there is no network before it to compare with.")
    after = open_network(reference, store, progress)
    return build_network(model, num_classes=after.num_classes, labels=after.labels, progress=progress)
