"""Out of memory, out of threads: whatever was being done, it ends in one sentence."""

import importlib

import numpy as np
import pytest
import torch

from vitbench.cli import main
from vitbench.exhausted import exhausted

COMPUTING = ["attention", "positions", "faithfulness", "ground", "caption", "evaluate", "predict", "demo"]


def raised(work):
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        return error
    raise AssertionError("there is more memory than there can be")


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda: torch.empty(2**60), "asked for"),
        (lambda: np.empty(2**56), "not enough memory on this machine"),
        (lambda: bytearray(2**60), "not enough memory on this machine"),
    ],
)
def test_an_allocation_that_fails_is_told_from_other_errors(work, says):
    assert says in exhausted(raised(work))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
            "GPU is not enough for that (2.00 GiB",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "GPU"),
        (RuntimeError("can't start new thread"), "threads"),
        (RecursionError("maximum recursion depth exceeded"), "too deep"),
        (ImportError("libx.so: failed to map segment from shared object"), "a library"),
    ],
)
def test_what_is_lacking_is_said(error, says):
    assert says in exhausted(error)


def test_other_errors_are_not_taken_for_it():
    for error in (
        RuntimeError("size mismatch"),
        ImportError("no module"),
        OSError("no such file"),
        ValueError("CUDA out of memory"),
        None,
    ):
        assert exhausted(error) is None


@pytest.mark.parametrize("command", COMPUTING)
def test_a_command_without_memory_ends_in_one_sentence(command, monkeypatch, capsys):
    def run(arguments):
        torch.empty(2**60)

    module = importlib.import_module(f"vitbench.commands.{command}")
    monkeypatch.setattr(module, "add_arguments", lambda parser: None)
    monkeypatch.setattr(module, "run", run)
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vitbench: There is not enough memory on this machine for that (")
    assert said.count("\n") == 1
