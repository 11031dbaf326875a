"""Where and with what a run was started: `environment.json`, one entry a start."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object, to_json
from vitbench.files.reading import RECORD, MissingFile
from vitbench.files.writing import write_whole
from vitbench.runs.checkpoints import set_aside_name
from vitbench.runs.frozen import DECIDE_BITS

PACKAGES = ("vitbench", *DECIDE_BITS, "safetensors")
FILE_NAME = "environment.json"
_MOST_THREADS = 4096


def frozen_threads(folder: Path, wanted: int | None, processes: int = 1) -> int:
    """The number of CPU threads of each process of a run: that of its first start, whatever the machine has now.

    Where it is not known any more, `write_environment` says so.
    """
    document, _ = _read(folder / FILE_NAME)
    return int(document["threads"]) if document else wanted or max(1, torch.get_num_threads() // processes)


def write_environment(folder: Path, *, threads: int, seed: int, device: str, data_fingerprint: str) -> list[str]:
    """Adds this start to `environment.json`. The answer: why a resume cannot be bit for bit, a sentence each.

    A damaged file is set aside under another name, and what it held is lost: a sentence says so too.
    """
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
    document, problem = _read(file)
    remarks = []
    if problem:
        aside = set_aside_name(file)
        file.rename(aside)
        remarks.append(
            f"{FILE_NAME} is damaged ({problem}) and was set aside as {aside.name}. It said with how many threads and "
            f"versions the run began; it goes on with {threads} threads, and may not be bit for bit what it was."
        )
    document = document or {"threads": threads, "seed": seed, "starts": []}
    remarks += _differences(document["starts"][0], start) if document["starts"] else []
    document["starts"].append(start)
    write_whole(file, to_json(document, indent=1))
    return remarks


def _read(file: Path) -> tuple[dict[str, Any] | None, str]:
    """What the file holds, None without one; and why it cannot be used."""
    try:
        document = read_json_object(file, RECORD)
    except MissingFile:
        return None, ""
    except UserError as error:
        return None, str(error).removeprefix(f"{file}").lstrip(":, ").removesuffix(".")
    threads, starts = document.get("threads"), document.get("starts")
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= _MOST_THREADS:
        return None, "it names no number of threads"
    if not isinstance(starts, list) or not all(_is_start(start) for start in starts):
        return None, "its list of starts is none"
    return document, ""


def _is_start(start: object) -> bool:
    return isinstance(start, dict) and isinstance(start.get("packages"), dict)


def _differences(first: dict[str, Any], now: dict[str, Any]) -> list[str]:
    before = {name: first["packages"].get(name) for name in DECIDE_BITS}
    after = {name: now["packages"].get(name) for name in DECIDE_BITS}
    pairs = [(name, before[name], after[name]) for name in DECIDE_BITS]
    pairs += [(key.replace("_", " "), first.get(key), now[key]) for key in ("device", "cpu_capability")]
    data = [
        "This resume cannot be bit for bit: pictures or labels of the data are not what they were when the run began;"
        " vitbench evaluate says which."
    ] * (first.get("data_fingerprint") != now["data_fingerprint"])
    return data + [
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
