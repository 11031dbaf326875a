"""Labels for pictures that have none, as the course wants them: a CSV with `filename,label`."""

import csv
import io
from collections.abc import Iterable, Iterator

import torch

from vitbench.data.dataset import evaluation_dataset
from vitbench.data.index import DataIndex
from vitbench.data.loader import in_order
from vitbench.data.on_device import on_device
from vitbench.data.problems import LeftOut
from vitbench.errors import UserError
from vitbench.models.network import Network
from vitbench.progress import Progress, silent


@torch.inference_mode()
def predict(
    network: Network,
    data: DataIndex,
    *,
    batch_size: int = 32,
    device: torch.device,
    left_out: LeftOut | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[str, str]]:
    """Each picture's name, untouched (relative to the folder), and its likeliest label, in the order of the names.

    Pictures that cannot be read any more have none, and are noted in `left_out`.

    Raises UserError if the network does not say what its classes are called.
    """
    if network.labels is None:
        raise UserError(f"{network.name} does not say what its {network.num_classes} classes are called.")
    module = network.module.to(device).eval()
    positions = torch.arange(len(data.samples)).numpy()
    dataset = evaluation_dataset(data, positions, network.preprocessing)
    done = 0
    for batch in on_device(in_order(dataset, batch_size, device, left_out), device):
        logits = module(network.preprocessing.normalize(batch.pixels))
        for number, label in zip(batch.indices.tolist(), logits.argmax(1).tolist(), strict=True):
            yield dataset.sample(number).file, network.labels[label]
        done += len(batch)
        progress(done, len(dataset), "predicting")


def predictions_csv(rows: Iterable[tuple[str, str]]) -> str:
    """A table `filename,label`. Names of files are bytes, of which surrogates stand for what is no text."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["filename", "label"])
    table.writerows(rows)
    return text.getvalue()
