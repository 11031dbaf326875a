"""A lease: what is reserved, what a process sees, and who else is on the GPU. NVML is false, processes are real."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from tests.runs.gpu_names import FalseNvml, take_gpu, usable_gpus
from vitbench.errors import UserError
from vitbench.recipe import Recipe
from vitbench.runs import lease as leases
from vitbench.runs.estimates import known_memory, note_memory
from vitbench.runs.launcher import launch, launch_queued
from vitbench.runs.lease import Busy, Gpu, Lease, allowed_gpus, bind_process, bound_lease, lease_for, outer_environment
from vitbench.runs.store import Store

DAMAGED = (
    '{"gpus": ["GPU-aa1"], "descriptors": [3], "visible": 7}',
    '{"gpus": ["GPU-aa1"], "descriptors": [], "visible": null}',
    '{"gpus": 3, "descriptors": 3, "visible": null}',
    '{"gpus": [3], "descriptors": [3], "visible": null}',
    '{"gpus": "GPU-aa1", "descriptors": {"0": 1}, "visible": null}',
)
THREE = [{"uuid": "GPU-aa1"}, {"uuid": "GPU-bb2"}, {"uuid": "GPU-cc3"}]


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    for variable in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", leases.HANDED_OVER):
        monkeypatch.setenv(variable, "")  # so that what a lease sets is taken back
        monkeypatch.delenv(variable)
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path))
    nvml = FalseNvml(tmp_path / "nvml.json", monkeypatch)
    nvml.gpus(*THREE)
    return nvml


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-aa1", "GPU-bb2", "GPU-cc3"]),
        ("2,0", ["GPU-cc3", "GPU-aa1"]),
        (" 1 , GPU-aa1", ["GPU-bb2", "GPU-aa1"]),
        ("1,1", ["GPU-bb2"]),
        ("GPU-bb", ["GPU-bb2"]),
        ("GPU-", []),
        ("0,7,1", ["GPU-aa1"]),
        ("7", []),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["GPU-aa1"]),
        ("NoDevFiles", []),
        ("²", []),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(nvml, monkeypatch, visible, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert usable_gpus() == expected


def test_a_split_gpu_is_its_mig_devices(nvml, monkeypatch):
    nvml.gpus(THREE[0], {"uuid": "GPU-bb2", "mig": [{"uuid": "MIG-1"}, {"uuid": "MIG-2"}]})
    assert usable_gpus() == ["GPU-aa1", "MIG-1", "MIG-2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-2")
    assert usable_gpus() == ["MIG-2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert usable_gpus() == ["MIG-1", "MIG-2"]
    assert allowed_gpus()[0].title == "GPU 1 (MIG-1)"


def test_vitbench_gpus_chooses_and_orders_within_what_is_visible(nvml, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "2,GPU-aa1")
    assert usable_gpus() == ["GPU-cc3", "GPU-aa1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert usable_gpus() == ["GPU-aa1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert usable_gpus() == []
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-nosuch")
    with pytest.raises(UserError, match=r"VITBENCH_GPUS names GPU-nosuch, .* it has GPU-aa1, GPU-bb2, GPU-cc3"):
        allowed_gpus()


def test_a_word_that_hides_all_gpus_by_mistake_is_told(nvml, monkeypatch):
    for purpose in ("", "-1", "NoDevFiles", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", purpose)
        assert leases.hidden_by_mistake() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-old")
    assert "hides every GPU of this machine; it has 0 (GPU-aa1)" in leases.hidden_by_mistake()


def test_without_nvml_gpus_are_numbers_or_believed_names(nvml, monkeypatch):
    nvml.missing()
    assert usable_gpus() == [], "this machine has no device file of a GPU"
    for visible, chosen, expected in [
        ("2,0", None, ["2", "0"]),
        ("2,-1,0", None, ["2"]),
        ("GPU-x,MIG-y", None, ["GPU-x", "MIG-y"]),
        ("2,0", "0", ["0"]),
        ("", "GPU-x", []),
        (None, "GPU-x,GPU-y", ["GPU-x", "GPU-y"]),
        (None, "", []),
    ]:
        for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("VITBENCH_GPUS", chosen)):
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        assert usable_gpus() == expected, (visible, chosen)


def test_a_number_means_one_of_the_allowed_gpus(nvml, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-cc3,GPU-bb2")
    lease = lease_for("cuda:1")
    assert isinstance(lease, Lease)
    assert lease.gpu == lease.environment()["CUDA_VISIBLE_DEVICES"] == "GPU-bb2"
    lease.close()
    with pytest.raises(UserError, match="cuda:2, but there are 2 GPUs: cuda:0 to cuda:1"):
        lease_for("cuda:2")
    assert lease_for("cpu") is None


def test_who_holds_a_lease_holds_it_alone_whatever_happens_to_files(nvml, tmp_path):
    lease = take_gpu(["GPU-aa1"])
    for file in tmp_path.iterdir():
        if file.name != "nvml.json":
            file.unlink()
    assert take_gpu(["GPU-aa1"]) is None
    program = "from tests.runs.gpu_names import take_gpu; print(take_gpu(['GPU-aa1']))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout == "None\n"
    lease.close()
    assert take_gpu(["GPU-aa1"]) is not None


@pytest.mark.parametrize("name", ["GPU-" + "x" * 5000, "GPU-../../x", "GPU-\n\x1b[31m", "GPU-é", "GPU-\udcff", "0"])
def test_any_name_can_be_reserved_and_no_two_are_taken_for_one(nvml, name):
    lease = take_gpu([name])
    assert take_gpu([name]) is None
    other = take_gpu([name + "1"])
    assert other is not None
    other.close()
    lease.close()


def test_a_gpu_that_cannot_be_reserved_costs_itself_only(nvml, monkeypatch):
    real = socket.socket

    class Refused(real):
        def bind(self, address):
            if b"GPU-aa1" in address:
                raise PermissionError(1, "Operation not permitted")
            super().bind(address)

    monkeypatch.setattr(leases.socket, "socket", Refused)
    lease = lease_for("auto")
    assert lease.gpu == "GPU-bb2"
    last = lease_for("auto")
    busy = lease_for("auto")
    assert busy.reason == (
        "No GPU is free: GPU 0 cannot be reserved (Operation not permitted); "
        "GPU 1 is in use by another run or command; GPU 2 is in use by another run or command."
    )
    lease.close()
    last.close()


def test_a_child_goes_on_holding_what_it_inherits_and_sees_that_gpu_alone(nvml):
    lease = take_gpu(["GPU-bb2"])
    program = """
import sys
from tests.runs.gpu_names import usable_gpus
from vitbench.runs.lease import bound_lease, lease_for, outer_environment
import os
held = bound_lease()
print(held.gpu, os.environ["CUDA_VISIBLE_DEVICES"], outer_environment().get("CUDA_VISIBLE_DEVICES"), usable_gpus())
sys.stdout.flush()
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=lease.descriptors,
        env=lease.environment(),
    )
    lease.close()
    assert child.stdout.readline() == "GPU-bb2 GPU-bb2 None ['GPU-aa1', 'GPU-bb2', 'GPU-cc3']\n"
    assert take_gpu(["GPU-bb2"]) is None
    child.kill()
    child.communicate()
    deadline = time.monotonic() + 10
    while take_gpu(["GPU-bb2"]) is None:
        assert time.monotonic() < deadline


def test_a_variable_left_over_from_another_process_is_no_lease(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa1")
    with open(os.devnull) as other:  # noqa: PTH123 - any descriptor that is not a lease
        for descriptor in (other.fileno(), 999_999, -1, 2**70):
            told = json.dumps({"gpus": ["GPU-aa1"], "descriptors": [descriptor], "visible": "0,1"})
            monkeypatch.setenv(leases.HANDED_OVER, told)
            assert bound_lease() is None
            assert outer_environment()["CUDA_VISIBLE_DEVICES"] == "0,1"
    for damaged in ("", "{}", "[" * 100_000, "3", *DAMAGED):
        monkeypatch.setenv(leases.HANDED_OVER, damaged)
        assert bound_lease() is None
        assert outer_environment()["CUDA_VISIBLE_DEVICES"] == "GPU-aa1"


def test_a_process_binds_itself_once_and_is_told_when_it_cannot(nvml, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-cc3")
    bind_process("auto")
    assert (bound_lease().gpu, os.environ["CUDA_VISIBLE_DEVICES"]) == ("GPU-cc3", "GPU-cc3")
    bind_process("auto")
    bound_lease().close()
    held = take_gpu(["GPU-cc3"])
    monkeypatch.delenv(leases.HANDED_OVER)
    with pytest.raises(UserError, match="GPU 2 is in use by another run or command"):
        bind_process("cuda:0")
    held.close()


@pytest.fixture
def stranger():
    """A process that does nothing; NVML says that it holds memory."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate()


def free(lease: Lease | Busy | None) -> bool:
    """Whether it is a lease, which is given back at once."""
    if isinstance(lease, Lease):
        lease.close()
    return isinstance(lease, Lease)


def whose(pid: int) -> str:
    import pwd

    return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name  # noqa: PTH116


def test_a_strangers_process_comes_before_the_estimate(nvml, stranger):
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 30, "processes": {stranger: 18}})
    gigabytes = 2**30
    assert free(lease_for("auto", 20 * gigabytes))
    assert free(lease_for("auto", 0)), "without an estimate"
    busy = lease_for("auto", 34 * gigabytes)
    assert isinstance(busy, Busy)
    who = whose(stranger)
    assert busy.reason == (
        f"No GPU is free: GPU 0 has 30 of 48 GB free; user {who} holds 18, and this needs 34 GB or a little more."
    )
    assert free(lease_for("auto", 20 * gigabytes)), "what was refused was not kept"


def test_memory_is_judged_when_somebody_else_holds_it(nvml, stranger):
    needed = 60 * 2**30
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 47.5})
    assert free(lease_for("auto", needed)), "nobody is there: the run tells if it does not fit"
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 40})
    assert "40 of 48 GB free; another process holds 8" in lease_for("auto", needed).reason, "as in a container"
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 40, "processes": {stranger: None, 2**22 + 1: 3}})
    assert "holds some, another process holds 3" in lease_for("auto", needed).reason
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 40, "processes": {os.getpid(): 8}})
    assert free(lease_for("auto", 45 * 2**30)), "our own memory is no stranger's"


def test_a_gpu_without_strangers_comes_first(nvml, stranger):
    nvml.gpus({"uuid": "GPU-aa1", "free": 40, "processes": {stranger: 8}}, {"uuid": "GPU-bb2"})
    lease = lease_for("auto", 0)
    assert lease.gpu == "GPU-bb2"
    lease.close()


RECIPE = Recipe.model_validate({"model": {"name": "demo"}, "data": {"path": "pictures"}})
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_run_waits_for_a_strangers_memory_and_says_who_holds_it(nvml, store, stranger, monkeypatch):
    monkeypatch.setattr("vitbench.runs.queue.start_scheduler", lambda folder: None)
    run = Store(store).create(RECIPE)
    note_memory(store, RECIPE, 35 * 2**30, "NVIDIA False")
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 30, "processes": {stranger: 18}})
    assert launch(run, SLEEP) is None
    who = whose(stranger)
    assert run.status().is_waiting
    assert f"GPU 0 has 30 of 48 GB free; user {who} holds 18" in run.status().waits_for
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 20, "processes": {stranger: 28}})
    assert launch_queued(run, SLEEP) is None
    assert "20 of 48 GB free" in run.status().waits_for, "the reason is of now"
    nvml.gpus({"uuid": "GPU-aa1", "total": 48, "free": 48})
    pid = launch_queued(run, SLEEP)
    assert pid is not None
    assert (run.status().gpus, run.status().waits_for) == (["GPU-aa1"], None)
    os.kill(pid, 9)
    os.waitpid(pid, 0)


def test_an_estimate_belongs_to_what_decides_on_the_memory(store):
    note_memory(store, RECIPE, 5, "GPU")
    assert known_memory(store, RECIPE) == 5
    elsewhere = RECIPE.model_copy(update={"data": RECIPE.data.model_copy(update={"path": "others"})})
    assert known_memory(store, elsewhere) == 5
    larger = RECIPE.model_copy(update={"train": RECIPE.train.model_copy(update={"batch_size": 999})})
    assert known_memory(store, larger) == 0


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", '{"memory_bytes": -3}', '{"memory_bytes": 1e400}', "[" * 4000, "\0"]
)
def test_a_damaged_estimate_is_none(store, damaged):
    note_memory(store, RECIPE, 5, "GPU")
    (file,) = (store / "estimates").iterdir()
    file.write_text(damaged)
    assert known_memory(store, RECIPE) == 0


def test_gpus_have_names_for_people(nvml):
    assert [gpu.title for gpu in allowed_gpus()] == ["GPU 0", "GPU 1", "GPU 2"]
    assert Gpu("3").title == "GPU 3"
    assert Gpu("GPU-fake").title == "GPU fake"
