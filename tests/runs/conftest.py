"""A store whose runs end with the test, on a machine with two GPUs that nobody else uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vitbench.runs import control
from vitbench.runs.store import Store


@pytest.fixture
def shop(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("VITBENCH_GPUS", "GPU-fake-1,GPU-fake-2")
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shop = Store(store)
    yield shop
    for run in shop.runs():
        if not run.folder.is_symlink():
            control.kill(run)
