"""The inspector and the runs share GPUs by one lock. Fake UUIDs; torch's "GPU" is the meta device of no memory."""

import io
import json
import time

import pytest
import torch

from tests.inspector.tiny_checkpoint import tiny_checkpoint
from vitbench.inspector import borrowed_gpu
from vitbench.inspector.borrowed_gpu import CPU, BorrowedGpu
from vitbench.inspector.kept_networks import KeptNetworks
from vitbench.inspector.server import Reply, Server
from vitbench.progress import silent
from vitbench.recipe import Recipe
from vitbench.runs.gpus import take_gpu
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store

GPUS = ["GPU-one", "GPU-two"]


@pytest.fixture
def gpu(store, tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", ",".join(GPUS))
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path / "locks"))
    return BorrowedGpu(store, lambda: {"GPU-two": 0, "GPU-one": 1})


def a_run_waits(store):
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}}
    run = Store(store).create(Recipe.model_validate(values))
    status = read_status(run.folder).model_copy(update={"queued_at": time.time(), "state": "queued"})
    write_status(run.folder, status)
    assert read_status(run.folder).is_waiting


def test_a_free_gpu_is_taken_once_and_no_run_can_have_it(gpu):
    assert gpu.device() == gpu.device() == torch.device("cuda", 1)
    assert gpu.held == "GPU-one"
    assert take_gpu(["GPU-one"]) is None
    gpu.give_back()
    run = take_gpu(["GPU-one"])
    assert run is not None
    assert gpu.device() == torch.device("cuda", 0), "the first is a run's now"
    run.close()
    gpu.give_back()


def test_where_runs_hold_all_gpus_it_works_on_the_cpu(gpu):
    runs = [take_gpu([uuid]) for uuid in GPUS]
    assert gpu.device() == CPU
    assert gpu.held is None
    for run in runs:
        run.close()


def test_a_gpu_that_torch_does_not_see_is_left_alone(store, gpu):
    blind = BorrowedGpu(store, dict)
    assert blind.device() == CPU
    assert take_gpu(GPUS).uuid == "GPU-one"


def test_nothing_is_taken_while_a_run_waits(store, gpu):
    a_run_waits(store)
    assert gpu.device() == CPU
    assert gpu.held is None


def test_a_waiting_run_gets_the_gpu_between_two_questions(store, gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(borrowed_gpu.torch, "device", lambda *named: "meta" if named[0] == "cuda" else CPU)
    networks = KeptNetworks(store, gpu=gpu)
    moved = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: moved.append(str(device)) or module)
    reference = tiny_checkpoint(tmp_path / "net")
    moved.clear()
    networks.open(reference, silent)
    assert moved[-1] == "meta"
    networks.yield_gpu()
    assert gpu.held == "GPU-one", "nobody waits"
    a_run_waits(store)
    networks.yield_gpu()
    assert moved[-1] == "cpu"
    assert gpu.held is None
    assert networks.held == [reference]
    assert take_gpu(["GPU-one"]) is not None
    networks.open(reference, silent)
    assert moved[-1] == "cpu"


def test_idle_gives_the_gpu_back(store, gpu):
    networks = KeptNetworks(store, gpu=gpu)
    gpu.device()
    networks.give_back()
    assert take_gpu(["GPU-one"]) is not None


class SlowEnd(io.BytesIO):
    """A stream of requests that stays open for a while after the last."""

    def readline(self, *size):
        line = super().readline(*size)
        if not line:
            time.sleep(0.5)
        return line


def test_the_server_looks_around_between_questions_and_while_nothing_is_asked():
    request = json.dumps({"id": 1, "request": "hello"}).encode() + b"\n"
    looks, idles = [], []
    server = Server({"hello": lambda arguments, progress: Reply()}, SlowEnd(request), io.BytesIO())
    server.serve(idle=lambda: idles.append(1), idle_after=0.2, between=lambda: looks.append(1), pause=0.05)
    assert len(looks) >= 3
    assert 1 <= len(idles) <= 3
