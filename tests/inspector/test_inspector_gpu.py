"""The inspector and the runs share GPUs by one lease. Fake UUIDs, and nothing is really moved to a GPU."""

import io
import json
import os
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from tests.inspector.tiny_checkpoint import tiny_checkpoint
from tests.runs.gpu_names import take_gpu
from vitbench.compose import compose
from vitbench.compose.networks import OpenNetworks
from vitbench.compose.sources import Sources
from vitbench.errors import UserError
from vitbench.inspector.borrowed_gpu import CPU, BorrowedGpu
from vitbench.inspector.handlers import Reply
from vitbench.inspector.server import Server
from vitbench.paths import sample_images
from vitbench.progress import silent
from vitbench.recipe import Recipe
from vitbench.requests.captions import CaptionRequest
from vitbench.runs.lease import HANDED_OVER
from vitbench.runs.status import read_status, write_status
from vitbench.runs.store import Store

GPUS = ["GPU-one", "GPU-two"]


@pytest.fixture
def gpu(store, tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", ",".join(GPUS))
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path / "locks"))
    for variable in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", HANDED_OVER):
        monkeypatch.setenv(variable, "")  # so that what a lease sets is taken back
        monkeypatch.delenv(variable)
    return BorrowedGpu(store, lambda lease: torch.device("cuda", 0))


def a_run_waits(store):
    values = {"model": {"name": "demo"}, "data": {"path": "pictures"}}
    run = Store(store).create(Recipe.model_validate(values))
    status = read_status(run.folder).model_copy(update={"queued_at": time.time(), "state": "queued"})
    write_status(run.folder, status)
    assert read_status(run.folder).is_waiting


def test_a_free_gpu_is_taken_once_and_no_run_can_have_it(gpu):
    assert gpu.device() == gpu.device() == torch.device("cuda", 0)
    assert gpu.held == os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-one"
    assert take_gpu(["GPU-one"]) is None
    gpu.give_back()
    run = take_gpu(["GPU-one"])
    assert run is not None
    assert gpu.device() == CPU, "CUDA shows this process one GPU for life, and that is a run's now"
    run.close()
    assert gpu.device() == torch.device("cuda", 0)
    gpu.give_back()


def test_the_first_gpu_that_is_free_is_the_one(gpu):
    run = take_gpu(["GPU-one"])
    assert gpu.device() == torch.device("cuda", 0)
    assert gpu.held == os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-two"
    gpu.give_back()
    run.close()


def test_where_runs_hold_all_gpus_it_works_on_the_cpu(gpu):
    runs = [take_gpu([uuid]) for uuid in GPUS]
    assert gpu.device() == CPU
    assert gpu.held is None
    for run in runs:
        run.close()


def test_a_gpu_that_torch_cannot_use_is_left_alone(store, gpu):
    blind = BorrowedGpu(store, lambda lease: CPU)
    assert blind.device() == CPU
    assert take_gpu(GPUS).gpu == "GPU-one"


def test_a_gpu_that_is_not_the_one_held_is_refused_once_and_given_back(store, gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="other"))
    confused = BorrowedGpu(store)
    with pytest.raises(UserError, match="holds GPU-one, but torch computes on GPU-other"):
        confused.device()
    assert confused.device() == CPU
    assert take_gpu(["GPU-one"]) is not None


def test_nothing_is_taken_while_a_run_waits(store, gpu):
    a_run_waits(store)
    assert gpu.device() == CPU
    assert gpu.held is None


def test_a_waiting_run_gets_the_gpu_between_two_questions(store, gpu, tmp_path, monkeypatch):
    sources = Sources(store, gpu)
    networks, moved = sources.networks, []
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: moved.append(str(device)) or module)
    reference = tiny_checkpoint(tmp_path / "net")
    moved.clear()
    networks.open(reference, silent)
    assert moved[-1] == "cuda:0"
    sources.yield_gpu()
    assert gpu.held == "GPU-one", "nobody waits"
    a_run_waits(store)
    sources.yield_gpu()
    assert moved[-1] == "cpu"
    assert gpu.held is None
    assert networks.held == [reference]
    assert take_gpu(["GPU-one"]) is not None
    networks.open(reference, silent)
    assert moved[-1] == "cpu"


def test_a_gpu_that_is_used_is_not_given_back_before_the_end(store, gpu):
    with gpu.use() as device:
        assert device == torch.device("cuda", 0)
        gpu.give_back()
        assert gpu.held == "GPU-one"
    gpu.give_back()
    assert gpu.held is None
    with gpu.use() as device:
        assert device == torch.device("cuda", 0)


def test_captions_are_computed_on_the_gpu_until_a_run_waits(store, gpu, monkeypatch):
    sources = Sources(store, gpu)
    moved = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, device: moved.append(str(device)) or module)
    picture = str(next(sample_images().glob("*.png")))
    request = CaptionRequest(captioner="demo", picture=picture, text="a heart")
    first = compose(request, sources)
    assert moved[-1] == "cuda:0"
    assert gpu.held == "GPU-one"
    a_run_waits(store)
    sources.yield_gpu()
    assert moved[-1] == "cpu"
    assert gpu.held is None
    run = take_gpu(["GPU-one"])
    again = compose(request, sources)
    assert moved[-1] == "cpu"
    assert again.facts == first.facts
    run.close()


def test_idle_gives_the_gpu_back(store, gpu):
    networks = OpenNetworks(store, gpu=gpu)
    gpu.device()
    networks.give_back()
    assert take_gpu(["GPU-one"]) is not None


class OpenUntil(io.BytesIO):
    """A stream of requests that stays open after the last, until `enough` is set."""

    def __init__(self, requests, enough):
        super().__init__(requests)
        self.enough = enough

    def readline(self, *size):
        line = super().readline(*size)
        if not line:
            assert self.enough.wait(30)
        return line


def test_the_server_looks_around_between_questions_and_while_nothing_is_asked():
    request = json.dumps({"id": 1, "request": "hello"}).encode() + b"\n"
    answered, polls, idles, enough = [], [], [], threading.Event()

    def idle():
        idles.append(time.monotonic())
        if len(idles) >= 2 and len(polls) >= 3:
            enough.set()

    def hello(arguments, progress):
        answered.append(time.monotonic())
        return Reply()

    server = Server({"hello": hello}, OpenUntil(request, enough), io.BytesIO())
    server.serve(idle=idle, idle_after=0.2, between=lambda: polls.append(1), pause=0.05)
    assert enough.is_set()
    assert len(polls) > len(idles) >= 2
    times = [answered[0], *idles]
    assert min(after - before for before, after in pairwise(times)) >= 0.2, "not before nothing was asked for so long"
