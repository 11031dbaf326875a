"""Batches: the same whatever the processes, whatever the start; no draw from the global generators; no orphan."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from pictures_for_tests import course

from vitbench.data.augment import augmentation
from vitbench.data.batch_plan import BatchPlan
from vitbench.data.cache import open_cache
from vitbench.data.dataset import Dataset, evaluation_dataset
from vitbench.data.index import open_index
from vitbench.data.loader import Batch, Loader
from vitbench.data.on_device import on_device
from vitbench.data.pictures import open_picture
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError

NETWORK = Preprocessing(24, 32, mean=(0.4, 0.5, 0.6))


@pytest.fixture
def index(tmp_path, store):
    return open_index(str(course(tmp_path / "pets")), store=store)


@pytest.fixture
def dataset(index, store):
    chosen = augmentation("crop-flip", NETWORK, random_erasing=0.2)
    cache = open_cache(index, chosen.first, store=store)
    return Dataset(index, index.positions("train"), chosen, seed=4, cache=cache)


def batches(dataset: Dataset, *, epoch: int, first_batch: int = 0, **options) -> Iterator[Batch]:
    """The batches of one epoch."""
    return Loader(dataset, **options).batches(epoch, first_batch)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(one.pixels, other.pixels)
        and torch.equal(one.labels, other.labels)
        and torch.equal(one.indices, other.indices)
        for one, other in zip(first, second, strict=True)
    )


def test_the_same_with_processes_from_the_middle_and_without_cache(dataset):
    torch.manual_seed(3)
    np.random.seed(3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    whole = list(batches(dataset, epoch=1, seed=0, batch_size=5))
    assert [len(batch) for batch in whole] == [5, 5, 5, 5, 3]
    assert same(list(batches(dataset, epoch=1, seed=0, batch_size=5, processes=2)), whole)
    assert same(list(batches(dataset, epoch=1, seed=0, batch_size=5, first_batch=3)), whole[3:])
    assert same(list(batches(dataset, epoch=1, seed=0, batch_size=5, first_batch=2, processes=1)), whole[2:])
    assert same(list(batches(replace(dataset, cache=None), epoch=1, seed=0, batch_size=5)), whole)
    assert list(batches(dataset, epoch=1, seed=0, batch_size=5, first_batch=5)) == []
    # Negative controls: another epoch, another order, another augmentation.
    assert not same(list(batches(dataset, epoch=2, seed=0, batch_size=5)), whole)
    assert not same(list(batches(dataset, epoch=1, seed=1, batch_size=5)), whole)
    assert not same(list(batches(replace(dataset, seed=5), epoch=1, seed=0, batch_size=5)), whole)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


def test_a_picture_is_augmented_by_its_number_not_by_its_place(dataset):
    def by_number(found: list[Batch]) -> dict[int, torch.Tensor]:
        return {
            int(number): pixels for batch in found for number, pixels in zip(batch.indices, batch.pixels, strict=True)
        }

    shuffled = by_number(list(batches(dataset, epoch=1, seed=0, batch_size=5)))
    ordered = by_number(list(batches(dataset, epoch=1, seed=9, batch_size=7, shuffle=False)))
    assert sorted(shuffled) == list(range(23))
    assert all(torch.equal(shuffled[number], ordered[number]) for number in range(23))


def test_each_epoch_shows_everything_once_in_another_order(dataset):
    orders = [
        torch.cat([batch.indices for batch in batches(dataset, epoch=epoch, seed=0, batch_size=4)]) for epoch in (0, 1)
    ]
    assert all(sorted(order.tolist()) == list(range(23)) for order in orders)
    assert not torch.equal(*orders)
    assert [len(batch) for batch in batches(dataset, epoch=0, seed=0, batch_size=4, drop_last=True)] == [4] * 5
    assert len(Loader(dataset, seed=0, batch_size=4, drop_last=True).plan) == 5
    assert len(Loader(dataset, seed=0, batch_size=4).plan) == 6


def test_evaluation_sees_the_pictures_themselves(index, store):
    cache = open_cache(index, augmentation("none", NETWORK).first, store=store)
    assert len(index.split("val")) > 3
    for kept in (cache, None):
        dataset = evaluation_dataset(index, index.positions("val"), NETWORK, kept)
        found = list(batches(dataset, epoch=0, seed=0, batch_size=3, shuffle=False))
        for number, sample in enumerate(index.split("val")):
            batch, place = found[number // 3], number % 3
            expected = NETWORK.normalize(NETWORK.resized(open_picture(index.path(sample))))
            assert torch.equal(batch.pixels[place], expected)
            assert batch.labels[place] == sample.label == int(sample.file.split("/")[1][0])
            assert dataset.sample(int(batch.indices[place])) == sample


def test_bytes_for_the_gpu(dataset):
    normalized = list(Loader(dataset, seed=0, batch_size=5).batches(2))
    raw = list(Loader(dataset, seed=0, batch_size=5, normalize=False).batches(2))
    assert all(batch.pixels.dtype == torch.uint8 and batch.pixels.shape[1:] == (24, 32, 3) for batch in raw)
    assert all(torch.equal(NETWORK.normalize(one.pixels), two.pixels) for one, two in zip(raw, normalized, strict=True))


def test_processes_stay_from_epoch_to_epoch(dataset):
    plain = Loader(dataset, seed=0, batch_size=5)
    loader = Loader(dataset, seed=0, batch_size=5, processes=2)
    before = set(psutil.Process().children())
    assert same(list(loader.batches(0)), list(plain.batches(0)))
    processes = set(psutil.Process().children()) - before
    assert len(processes) == 2
    # Left in the middle, as a pause does.
    next(loader.batches(1))
    assert same(list(loader.batches(2, first_batch=1)), list(plain.batches(2, first_batch=1)))
    assert set(psutil.Process().children()) - before == processes
    loader.close()
    assert set(psutil.Process().children()) - before == set()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_file_that_went_bad_is_left_out_by_name(index, processes):
    dataset = Dataset(index, index.positions("train"), augmentation("none", NETWORK))
    bad = dataset.sample(4)
    index.path(bad).write_bytes(b"")
    found = list(batches(dataset, epoch=0, seed=0, batch_size=5, shuffle=False, processes=processes))
    assert [len(batch) for batch in found] == [4, 5, 5, 5, 3]
    assert [(problem.file, problem.reason) for problem in found[0].left_out] == [(bad.file, "the file is empty")]
    assert found[0].indices.tolist() == [0, 1, 2, 3]
    assert len(found[0].pixels) == len(found[0].labels) == 4


def test_a_disk_that_is_gone_ends_with_a_sentence(index):
    dataset = Dataset(index, index.positions("train"), augmentation("none", NETWORK))
    index.root.rename(index.root.with_name("elsewhere"))
    with pytest.raises(UserError, match="is the disk still there"):
        next(batches(dataset, epoch=0, seed=0, batch_size=5))


def train_forever(dataset: Dataset, pids: Path) -> None:
    os.setsid()
    loader = Loader(dataset, seed=0, batch_size=1, processes=2)
    for epoch in range(1000):
        for _ in loader.batches(epoch):
            children = [child.pid for child in psutil.Process().children()]
            pids.with_suffix(".new").write_text(" ".join(map(str, children)))
            pids.with_suffix(".new").replace(pids)
            time.sleep(0.02)


def test_no_process_outlives_a_killed_trainer(dataset, tmp_path):
    pids = tmp_path / "pids"
    trainer = multiprocessing.get_context("fork").Process(target=train_forever, args=(dataset, pids))
    trainer.start()
    deadline = time.monotonic() + 60
    while not pids.exists() or len(pids.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    processes = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
    os.kill(trainer.pid, signal.SIGKILL)
    trainer.join()
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_processes_go_on_into_the_next_epoch_and_anywhere_else_when_asked(dataset, monkeypatch):
    loader = Loader(dataset, seed=0, batch_size=5, processes=2, epochs=3)
    begun, real = [], BatchPlan.__iter__

    def ahead(plan):
        begun.append(plan.place)
        return real(plan)

    monkeypatch.setattr(BatchPlan, "__iter__", ahead)

    def expected(epoch, first=0):
        return list(batches(dataset, epoch=epoch, seed=0, batch_size=5, first_batch=first))

    assert same(list(loader.batches(0)), expected(0))
    assert same(list(loader.batches(1)), expected(1))
    assert set(begun) == {(0, 0)}, "one stream for both epochs"
    third = loader.batches(2)
    taken = [next(third), next(third)]
    assert same(taken, expected(2)[:2])
    assert same(list(loader.batches(2, 1)), expected(2, 1)), "a step back, as after a lack of memory"
    assert set(begun) == {(0, 0), (2, 1)}
    assert same(list(loader.batches(4)), expected(4)), "beyond the last epoch too"
    loader.close()


LEFT_OPEN = """
import gc, sys
from pathlib import Path
from vitbench.data.augment import augmentation
from vitbench.data.dataset import Dataset
from vitbench.data.index import open_index
from vitbench.data.loader import Loader
from vitbench.data.preprocessing import Preprocessing
import torch
index = open_index(sys.argv[1], store=Path(sys.argv[2]))
dataset = Dataset(index, index.positions("train"), augmentation("none", Preprocessing(16, 16)), seed=0)
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.1
loader, collected = (Loader(dataset, seed=0, batch_size=5, processes=1) for _ in range(2))
print(len(next(loader.batches(0))), len(next(collected.batches(0))))
collected.itself = collected
del collected
gc.collect()
"""


def test_a_process_ends_though_its_loaders_were_left_open_or_collected(index, store):
    command = [sys.executable, "-c", LEFT_OPEN, str(index.root), str(store)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=100).stdout == "5 5\n"


def leave_open(dataset: Dataset) -> None:
    loader = Loader(dataset, seed=0, batch_size=5, processes=2)
    loader.itself = loader
    assert len(next(loader.batches(0))) == 5


def test_a_process_of_multiprocessing_ends_though_its_loader_was_left_open(dataset):
    process = multiprocessing.get_context("fork").Process(target=leave_open, args=(dataset,))
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0


def test_batches_on_the_cpu_are_what_they_were(dataset):
    plain = list(batches(dataset, epoch=0, seed=0, batch_size=5))
    assert same(list(on_device(batches(dataset, epoch=0, seed=0, batch_size=5), torch.device("cpu"))), plain)


@pytest.mark.parametrize("batch_size", [2, 4, 5])
def test_a_network_that_needs_two_pictures_gets_two(tmp_path, store, batch_size):
    index = open_index(str(course(tmp_path / "d", train=2 * batch_size + 1, val=2)), store=store)
    dataset = evaluation_dataset(index, index.positions("train"), Preprocessing(16, 16))
    loader = Loader(dataset, seed=1, batch_size=batch_size, at_least=2)
    sizes = [len(batch) for batch in loader.batches(0)]
    assert sizes == [batch_size, batch_size, 2]
    assert len(sizes) == len(loader.plan)
    again = [batch.indices.tolist() for batch in loader.batches(0, first_batch=2)]
    assert again[0] == [int(loader.plan.order(0)[0]), int(loader.plan.order(0)[-1])]
