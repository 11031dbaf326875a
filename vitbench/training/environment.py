"""Where and with what a run was started: `environment.json`, one entry a start."""

import json
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vitbench.runs.files import write_whole

PACKAGES = ("vitbench", "torch", "torchvision", "timm", "numpy", "pillow", "safetensors")
FILE_NAME = "environment.json"
_DECIDES_BITS = ("torch", "torchvision", "timm", "numpy", "pillow")


def frozen_threads(folder: Path, wanted: int | None) -> int:
    """The number of CPU threads of a run: that of its first start, whatever the machine has now."""
    file = folder / FILE_NAME
    if file.exists():
        return int(json.loads(file.read_text())["threads"])
    return wanted or torch.get_num_threads()


def write_environment(folder: Path, *, threads: int, seed: int, device: str, data_fingerprint: str) -> list[str]:
    """Adds this start to `environment.json`. The answer: why a resume cannot be bit for bit, a sentence each."""
    file = folder / FILE_NAME
    start: dict[str, Any] = {
        "time": time.time(),
        "host": platform.node(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": device,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)),
        "git_commit": _git_commit(),
        "data_fingerprint": data_fingerprint,
    }
    document: dict[str, Any] = {"threads": threads, "seed": seed, "starts": []}
    if file.exists():
        document = json.loads(file.read_text())
    differences = _differences(document["starts"][0], start) if document["starts"] else []
    document["starts"].append(start)
    write_whole(file, json.dumps(document, indent=1))
    return differences


def _differences(first: dict[str, Any], now: dict[str, Any]) -> list[str]:
    before = {name: first["packages"].get(name) for name in _DECIDES_BITS}
    after = {name: now["packages"].get(name) for name in _DECIDES_BITS}
    pairs = [(name, before[name], after[name]) for name in _DECIDES_BITS]
    pairs += [(key.replace("_", " "), first[key], now[key]) for key in ("device", "cpu_capability", "data_fingerprint")]
    return [
        f"This resume cannot be bit for bit: {what} is {value}, and was {earlier} when the run began."
        for what, earlier, value in pairs
        if earlier != value
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the folder in which the worker was started, with a + after it if files differ from it."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=True)
    return answer.stdout.strip()
