"""The machine, read from a false NVML and the real /proc."""

import json
import os
import subprocess
import sys

import pytest

from tests.runs.gpu_names import FalseNvml, take_gpu
from vitbench.cli import main
from vitbench.recipe import parse_recipe
from vitbench.runs.process import MARK, mark_of
from vitbench.runs.store import Store

TWO = [
    {"uuid": "GPU-aa1", "name": "NVIDIA H100", "total": 80, "free": 50, "power": 301.5, "temperature": 61},
    {"uuid": "GPU-bb2", "name": "NVIDIA \x1b[31mA100", "total": 40, "free": 40},
]


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = FalseNvml(tmp_path / "nvml.json", monkeypatch)
    nvml.gpus(*TWO)
    return nvml


@pytest.fixture
def process_of_a_run(store):
    """A process that carries the mark of a run, as a worker and its loaders do."""
    run = Store(store).create(parse_recipe({"data": {"path": "demo"}}, "a test"), "pets")
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()", "secret argument"]
    process = subprocess.Popen(waiting, stdin=subprocess.PIPE, env={**os.environ, MARK: mark_of(run.folder)})
    yield run, process
    process.communicate()


def read(capsys):
    assert main(["gpus", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_who_holds_a_gpu_is_a_run_or_somebody(nvml, process_of_a_run, capsys):
    run, process = process_of_a_run
    nvml.gpus({**TWO[0], "processes": {process.pid: 20, os.getpid(): 10, 2**22 - 1: None}}, TWO[1])
    first, second = read(capsys)["gpus"]
    holders = {holder["pid"]: holder for holder in first["holders"]}
    assert holders[process.pid]["run"] == run.id
    assert holders[process.pid]["size"] == 20 * 2**30
    assert holders[os.getpid()]["run"] is None
    assert "pytest" in holders[os.getpid()]["command"] or "python" in holders[os.getpid()]["command"]
    assert holders[2**22 - 1] == {"pid": 2**22 - 1, "user": "another process", "size": None, "command": "", "run": None}
    assert (first["load"], first["power"], first["power_limit"], first["temperature"]) == (50, 301.5, 700, 61)
    assert (first["used"], first["total"]) == (30 * 2**30, 80 * 2**30)
    assert (second["power"], second["temperature"], second["holders"]) == (None, None, [])


def test_a_lease_is_seen_and_not_taken_by_looking(nvml, capsys):
    lease = take_gpu(["GPU-bb2"])
    assert [gpu["leased"] for gpu in read(capsys)["gpus"]] == [False, True]
    lease.close()
    assert [gpu["leased"] for gpu in read(capsys)["gpus"]] == [False, False]
    again = take_gpu(["GPU-bb2"])
    assert again is not None
    again.close()


def test_what_this_session_may_not_use_is_shown_as_hidden(nvml, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu["allowed"] for gpu in read(capsys)["gpus"]] == [False, True]
    assert main(["gpus"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("hidden from runs of this session")
    assert "hidden" not in lines[1]


def test_the_lines_for_a_person(nvml, process_of_a_run, capsys):
    run, process = process_of_a_run
    nvml.gpus({**TWO[0], "processes": {process.pid: 20}}, TWO[1])
    assert main(["gpus"]) == 0
    text = capsys.readouterr().out
    assert "GPU 0      NVIDIA H100:  50% busy, 30.0 of 80.0 GB used, 302 of 700 W, 61 °C; in use" in text
    assert f"20.0 GB  user {os.environ.get('USER', 'root')}" in text or run.id in text
    assert "\x1b" not in text
    assert "processors" in text


def test_without_nvml_the_rest_is_told(nvml, capsys):
    nvml.missing()
    document = read(capsys)
    assert document["gpus"] is None
    assert len(document["cores"]) == os.cpu_count()
    assert 0 < document["memory"]["free"] <= document["memory"]["total"]
    assert 0 < document["disk_free"] <= document["disk_total"]
    main(["gpus"])
    assert "none that NVML knows of" in capsys.readouterr().out
