"""What every test may count on: no network, no GPU, one thread, and a store of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

# Set before anything imports torch. Two test processes share two cores, and a result must not hang on the machine.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["VITBENCH_GPUS"] = ""
os.environ.pop("CUDA_VISIBLE_DEVICES", None)
os.environ["HF_HUB_OFFLINE"] = "1"
# An app that is left alone for two seconds would load torch beside the tests.
os.environ["VITBENCH_INSPECTOR_MINUTES"] = "0"
# For what a fixture of a whole module starts, before `store` below: the slots and leases of this process alone.
os.environ["VITBENCH_GPU_LOCKS"] = f"tests-{os.getpid()}"
os.environ["VITBENCH_SLOTS"] = "16"
for variable in (
    "VITBENCH_RUN",
    "VITBENCH_GRAPHICS",
    "SSH_CONNECTION",
    "NO_COLOR",
    "COLUMNS",
    "LINES",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "COLORTERM",
    "VITBENCH_COLOURS",
    "WT_SESSION",
    "VTE_VERSION",
):
    os.environ.pop(variable, None)

import pytest
from hypothesis import HealthCheck, settings

# A machine that stops for a moment says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `vitbench` takes for its store during one test, in this process and in those it starts."""
    folder = tmp_path / "store"
    monkeypatch.setenv("VITBENCH_HOME", str(folder))
    monkeypatch.setenv("VITBENCH_GPU_LOCKS", str(tmp_path))
    monkeypatch.setenv("VITBENCH_SLOTS", "16")
    monkeypatch.setenv("VITBENCH_SETTINGS", str(tmp_path / "settings.toml"))
    return folder


@pytest.fixture(scope="session")
def storm_rounds() -> int:
    """How often a storm strikes: five times, or the full count under `make test-storm`."""
    return 20 if os.environ.get("VITBENCH_STORM") == "full" else 5


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with these options; skips where that is not allowed."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options: str) -> Path:
        if os.getuid() != 0 or shutil.which("mount") is None:
            pytest.skip("mounting needs root")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
