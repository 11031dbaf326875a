"""A pass over pictures gives each its row, in the order of the data, whichever process computed it."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from vitbench.data.dataset import evaluation_dataset
from vitbench.data.index import open_index
from vitbench.data.preprocessing import Preprocessing
from vitbench.ranks import Ranks
from vitbench.training.evaluation_pass import rows_of

GONE = ("a/1.png", "b/2.png")
"""One picture of either process."""


class Rank(Ranks):
    """One process of two; what the other one gave is known before."""

    world = 2

    def __init__(self, rank, given_by_first=()):
        self.rank, self.given = rank, []
        self._first = iter(given_by_first)

    def gather(self, value):
        self.given.append(value)
        return [*([next(self._first)] if self.rank else []), value]


def test_two_processes_have_the_rows_of_one(tmp_path, store):
    random = np.random.default_rng(0)
    for name in (f"{label}/{number}.png" for label in "ab" for number in range(4)):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "data" / name)
    index = open_index(str(tmp_path / "data"), store=store)
    dataset = evaluation_dataset(index, np.arange(8), Preprocessing(8, 8))
    for name in GONE:
        (tmp_path / "data" / name).write_bytes(b"")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 3, 3)).eval()

    def rows(ranks, at_once=2):
        def scored(logits, numbers):
            return logits.softmax(1), numbers * 10

        return rows_of(module, dataset, scored, 3, at_once=at_once, device=torch.device("cpu"), ranks=ranks)

    alone = rows(Ranks())
    kept = [sample.file for sample in index.samples if sample.file not in GONE]
    assert alone.files.tolist() == kept
    assert [index.samples[number].file for number in alone.numbers] == kept
    assert alone.columns[1].tolist() == [number * 10 for number in alone.numbers]
    picture = dataset.preprocessing.normalize(torch.from_numpy(dataset.pixels([3], 0)[0]))
    assert np.allclose(alone.columns[0][alone.numbers == 3], module(picture).softmax(1).detach(), atol=1e-5)
    assert sorted(problem.file for problem in alone.left_out) == sorted(GONE)

    first = Rank(0)
    rows(first)
    joined = rows(Rank(1, first.given))
    assert joined.numbers.tolist() == alone.numbers.tolist()
    assert joined.files.tolist() == kept
    for ours, theirs in zip(joined.columns, alone.columns, strict=True):
        assert np.allclose(ours, theirs)
    assert sorted(problem.file for problem in joined.left_out) == sorted(GONE)
