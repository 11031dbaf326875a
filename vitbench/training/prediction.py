"""Labels for pictures that have none, as the course wants them: a CSV with `filename,label`."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

import torch

from vitbench.data.dataset import evaluation_dataset
from vitbench.data.index import DataIndex
from vitbench.data.loader import in_order
from vitbench.data.on_device import on_device
from vitbench.data.problems import LeftOut
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import EVALUATION
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.training.chosen import Chosen
from vitbench.training.multilabel_evaluation import THRESHOLD


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


@torch.inference_mode()
def predict_labels(
    network: Network,
    data: DataIndex,
    thresholds: Mapping[str, float],
    *,
    batch_size: int = 32,
    device: torch.device,
    left_out: LeftOut | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[str, str]]:
    """As `predict`, of a network of several labels: those with at least the probability in `thresholds` (else 0.5),
    with `|` between them; maybe none.

    Raises UserError if the network does not say what its labels are called.
    """
    if network.labels is None:
        raise UserError(f"{network.name} does not say what its {network.num_classes} labels are called.")
    module = network.module.to(device).eval()
    dataset = evaluation_dataset(data, torch.arange(len(data.samples)).numpy(), network.preprocessing)
    least = torch.tensor([thresholds.get(name, THRESHOLD) for name in network.labels], device=device)
    done = 0
    for batch in on_device(in_order(dataset, batch_size, device, left_out), device):
        given = module(network.preprocessing.normalize(batch.pixels)).float().sigmoid() >= least
        for number, marks in zip(batch.indices.tolist(), given.tolist(), strict=True):
            labels = [name for name, marked in zip(network.labels, marks, strict=True) if marked]
            yield dataset.sample(number).file, "|".join(labels)
        done += len(batch)
        progress(done, len(dataset), "predicting")


def own_thresholds(chosen: Chosen) -> dict[str, float]:
    """The thresholds that were best on the validation split of a run's checkpoint; empty where nobody knows them."""
    if chosen.run is None:
        return {}
    step = chosen.network.tag.rpartition("@")[2]
    try:
        document = read_json_object(chosen.run.folder / "evaluations" / f"val-{step}.json", EVALUATION, allow_nan=True)
        return {str(name): float(value) for name, value in document["thresholds"].items()}
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def predictions_csv(rows: Iterable[tuple[str, str]], heading: str = "label") -> str:
    """A table `filename,label`. Names of files are bytes, of which surrogates stand for what is no text."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["filename", heading])
    table.writerows(rows)
    return text.getvalue()
