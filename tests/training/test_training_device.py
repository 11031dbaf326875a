"""Where a process computes, with a false NVML and a CUDA that only says that it is there."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.runs.gpu_names import FalseNvml, take_gpu
from vitbench import cli
from vitbench.errors import UserError
from vitbench.runs import lease as leases
from vitbench.runs.lease import bind_process, bound_lease
from vitbench.training.device import CPU, check_device, choose_device, device_of_command, gpu_uuids, lease_notes

TWO = [{"uuid": "GPU-aa1"}, {"uuid": "GPU-bb2"}]


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    for variable in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", leases.HANDED_OVER):
        monkeypatch.setenv(variable, "")  # so that what a lease sets is taken back
        monkeypatch.delenv(variable)
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path))
    nvml = FalseNvml(tmp_path / "nvml.json", monkeypatch)
    nvml.gpus(*TWO)
    yield nvml
    if (lease := bound_lease()) is not None:
        lease.close()


@pytest.fixture
def cuda(monkeypatch):
    """torch computes on whatever CUDA_VISIBLE_DEVICES names first."""

    def properties(device):
        return SimpleNamespace(uuid=os.environ["CUDA_VISIBLE_DEVICES"].removeprefix("GPU-"))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)


@pytest.mark.parametrize(("wanted", "uuid"), [("auto", "GPU-aa1"), ("cuda", "GPU-aa1"), ("cuda:1", "GPU-bb2")])
def test_what_is_computed_on_is_what_is_held(nvml, cuda, wanted, uuid):
    bind_process(wanted)
    device = choose_device(wanted)
    assert device == torch.device("cuda", 0)
    assert gpu_uuids(device) == [uuid]
    assert take_gpu([uuid]) is None
    assert lease_notes(device) == []
    assert not torch.backends.cudnn.allow_tf32, "float32 is float32"


def test_a_number_counts_what_vitbench_gpus_allows(nvml, cuda, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "1")
    bind_process("cuda:0")
    assert gpu_uuids(choose_device("cuda:0")) == ["GPU-bb2"]


def test_another_gpu_than_the_one_held_is_refused(nvml, cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="bb2"))
    bind_process("auto")
    with pytest.raises(UserError, match="holds GPU-aa1, but torch computes on GPU-bb2"):
        choose_device("auto")


def test_without_nvml_it_says_so(nvml, cuda, monkeypatch):
    nvml.missing()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    told = []
    assert device_of_command("auto", told.append).type == "cuda"
    assert bound_lease().gpu == os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert told == [leases.WITHOUT_NVML]


def test_a_gpu_that_torch_cannot_use_is_no_reason_to_train_on_the_cpu(nvml, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    nvml.gpus(*TWO, driver="550.1")
    bind_process("auto")
    for choose in (choose_device, check_device):
        with pytest.raises(UserError, match=r"driver 550.1.*needs driver 580.65.06 or newer"):
            choose("auto")
        choose("cpu")


def test_a_check_calls_no_cuda(nvml, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: pytest.fail("CUDA looks once at what is visible"))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    check_device("auto")
    check_device("cuda:1")
    with pytest.raises(UserError, match="there are 2 GPUs"):
        check_device("cuda:2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES = 5 hides every GPU"):
        check_device("auto")


def test_no_gpu_allowed_is_the_cpu(nvml, cuda, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "")
    assert device_of_command("auto", pytest.fail) == CPU
    with pytest.raises(UserError, match="shows no NVIDIA GPU"):
        device_of_command("cuda", pytest.fail)


def test_a_busy_machine_leaves_a_command_the_cpu_and_tells(nvml, cuda):
    held = [take_gpu([gpu["uuid"]]) for gpu in TWO]
    told = []
    assert device_of_command("auto", told.append) == CPU
    (sentence,) = told
    assert sentence.startswith("No GPU is free: GPU 0 is in use by another run or command;")
    assert sentence.endswith("This computes on the CPU.")
    with pytest.raises(UserError, match="GPU 1 is in use by another run or command"):
        device_of_command("cuda:1", told.append)
    for gpu in held:
        gpu.close()


@pytest.mark.parametrize("words", [["evaluate", "demo"], ["predict", "demo", "--csv", "out.csv"], ["ground", "demo"]])
def test_commands_lease_what_they_compute_on(store, nvml, capsys, words):
    """A GPU by name alone: torch sees none, so the command refuses it, and says what it held."""
    held = take_gpu(["GPU-bb2"])
    data = "scenes:base?count=30&size=32"
    if words[0] == "predict":
        cli.main(["scenes", str(store / "pictures"), "--count", "30", "--size", "32"])
        data = str(store / "pictures")
    assert cli.main([*words, "--data", data, "--device", "cuda:1"]) == 2
    assert "GPU 1 is in use by another run or command" in capsys.readouterr().err
    held.close()
    assert cli.main([*words, "--data", data, "--device", "cuda:1"]) == 2
    assert "torch" in capsys.readouterr().err
    assert take_gpu(["GPU-bb2"]) is None, "it is held until the process ends"


@pytest.mark.slow
def test_a_worker_that_nobody_launched_leases_too(nvml, tmp_path):
    program = """
import sys
from pathlib import Path
from vitbench.recipe import Recipe
from vitbench.runs.lease import bound_lease
from vitbench.runs.store import Store
from vitbench.training import worker
values = {"model": {"name": "demo"}, "data": {"path": "scenes:base?count=30&size=32"}}
run = Store(Path(sys.argv[1])).create(Recipe.model_validate(values))
code = worker.main(run.folder)
print(code, run.status().error, bound_lease().gpu)
"""
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("2 This machine has a GPU (NVIDIA False, driver 580.159.04), but torch")
    assert answer.stdout.endswith("GPU-aa1\n")


@pytest.mark.slow
def test_a_deterministic_run_asks_torch_and_its_compiler():
    program = """
import os, torch
from vitbench.training.device import make_deterministic
make_deterministic()
from torch._inductor import config
print(torch.are_deterministic_algorithms_enabled(), config.deterministic, os.environ["CUBLAS_WORKSPACE_CONFIG"])
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "True True :4096:8\n"
