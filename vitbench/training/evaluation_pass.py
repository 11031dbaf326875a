"""One pass of a network over pictures: what is computed of each, whichever process computed it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vitbench.data.dataset import Dataset
from vitbench.data.loader import in_order
from vitbench.data.on_device import on_device
from vitbench.data.problems import LeftOut, Problem
from vitbench.progress import Progress, silent
from vitbench.ranks import ALONE, Ranks
from vitbench.training.precision import Precision

Scored = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
"""From logits float64 [B, outputs] and the numbers int64 [B] of their samples in the dataset, columns [B, ...]."""


@dataclass(frozen=True)
class Rows:
    """A row for each picture that could be read: `numbers` int64 [N], ascending; `files` text [N]; columns [N, ...]."""

    numbers: np.ndarray
    files: np.ndarray
    columns: tuple[np.ndarray, ...]
    left_out: tuple[Problem, ...]


@torch.inference_mode()
def rows_of(
    module: nn.Module,
    dataset: Dataset,
    scored: Scored,
    outputs: int,
    *,
    at_once: int,
    device: torch.device,
    precision: Precision | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> Rows:
    """Runs `module`, which has so many `outputs` and is in evaluation mode on `device`, over a dataset.

    Logits are float32 at least, and scored in float64. Pictures that cannot be read any more are named in the result.
    Several processes divide the pictures, and all of them have the whole result.
    """
    left_out = LeftOut()
    precision = precision or Precision("none", device)
    part = dataset.chosen(mine := ranks.share(np.arange(len(dataset))))
    own = torch.from_numpy(mine).to(device)
    # Without a picture the columns still have their shapes.
    found = [(own[:0], *scored(torch.empty(0, outputs, dtype=torch.float64, device=device), own[:0]))]
    done = 0
    for batch in on_device(in_order(part, at_once, device, left_out), device):
        pixels = dataset.preprocessing.normalize(batch.pixels)
        with precision.autocast():
            logits = module(pixels)
        numbers = own[batch.indices]
        found.append((numbers, *scored(logits.float().double(), numbers)))
        done += len(batch)
        progress(done, len(part), "evaluating")
    columns = (torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))
    seen, *rows = ranks.gather_rows(*columns)
    files = np.array([dataset.sample(int(number)).file for number in seen])
    return Rows(seen, files, tuple(rows), tuple(ranks.gather_all(left_out.news())))
