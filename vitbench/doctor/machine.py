"""The machine and what is installed: Python, torch with its pair torchvision, GPUs, memory, extras."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from vitbench.doctor.finding import Finding
from vitbench.files.reading import RECORD, Unreadable, read_text
from vitbench.runs.host import INSPECTOR_ROOM, memory_room
from vitbench.runs.lease import hidden_by_mistake
from vitbench.runs.nvml import gpu_and_driver, seen_gpus
from vitbench.text import counted

GIB = 2**30
_EXTRAS = (
    ("graphics", "textual-image", "pictures by Kitty's protocol or sixel (VITBENCH_GRAPHICS)"),
    ("hf", "transformers", "captioners of Hugging Face"),
)
_TORCH_PATIENCE = 60.0

_ASK_TORCH = """
import json, torch
found = {"available": torch.cuda.is_available(), "count": torch.cuda.device_count(), "why": None, "pair": None}
try:
    import torchvision
    torch.ops.torchvision.nms
except Exception as error:
    found["pair"] = f"{type(error).__name__}: {error}"
from vitbench.training.device import why_no_cuda
if not found["available"]:
    found["why"] = why_no_cuda()
print(json.dumps(found))
"""


def python() -> list[Finding]:
    """The version, and whether torch's modules are compiled once or at every start."""
    words = f"{platform.python_version()} at {sys.executable}"
    findings = [Finding("Python", words)]
    if not _is_compiled("torch"):
        advice = "`python -m compileall -q` on the environment's site-packages once saves seconds at every start."
        if sys.dont_write_bytecode:
            advice += " PYTHONDONTWRITEBYTECODE keeps Python from doing it by itself."
        findings.append(Finding("Bytecode", "torch's modules are not compiled", advice))
    return findings


def _is_compiled(package: str) -> bool:
    """Whether a package that is there has its bytecode beside it; True for one that is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        return True
    try:
        return os.access(importlib.util.cache_from_source(spec.origin), os.R_OK)
    except (OSError, NotImplementedError):
        return True


def packages() -> Finding:
    """torch and torchvision, which are built for each other."""
    versions = {name: _version(name) for name in ("torch", "torchvision", "timm")}
    words = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding("Packages", words, f"Install {' and '.join(missing)} (`pip install {' '.join(missing)}`).", True)
    advice = _pair_advice(versions["torch"] or "", versions["torchvision"] or "")
    return Finding("Packages", words, advice, bool(advice))


def _pair_advice(torch: str, torchvision: str) -> str:
    """What to do if torchvision was made for another torch; "" for a pair."""
    from packaging.requirements import InvalidRequirement, Requirement

    again = "Install both again, together: `pip install --force-reinstall torch torchvision`."
    for line in importlib.metadata.requires("torchvision") or []:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.name == "torch" and not wanted.specifier.contains(torch, prereleases=True):
            return f"torchvision {torchvision} needs torch{wanted.specifier}. {again}"
    return _build_advice({name: build for name in ("torch", "torchvision") if (build := _build(name))}, again)


def _build_advice(builds: Mapping[str, str], again: str) -> str:
    if len(set(builds.values())) > 1:
        both = " and ".join(f"{name} for {build}" for name, build in builds.items())
        return f"They are not a pair: {both}. {again}"
    return ""


def _build(package: str) -> str | None:
    """What a package's file version.py says that it was built for: `CUDA 13.2` or `the CPU`; None if nothing."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        return None
    try:
        text = read_text(Path(spec.origin).parent / "version.py", RECORD)
    except Unreadable:
        return None
    found = re.search(r"^cuda\b[^=]*= *(?:'([\d.]+)'|\"([\d.]+)\"|None)", text, re.MULTILINE)
    if found is None:
        return None
    number = found[1] or found[2]
    return f"CUDA {number}" if number else "the CPU"


def gpus(environment: Mapping[str, str]) -> Finding:
    """What NVML sees, whether torch sees it too, and what hides it."""
    seen = seen_gpus()
    driver = gpu_and_driver()
    if not seen or driver is None:
        device_files = sorted(Path("/dev").glob("nvidia[0-9]*"))
        if device_files:
            return Finding(
                "GPU",
                f"{counted(len(device_files), 'device file')}, but NVML does not answer",
                "`nvidia-smi` says why: the driver's module and its library often differ until the next reboot.",
                True,
            )
        return Finding("GPU", "no NVIDIA GPU: runs and the inspector compute on the CPU")
    name, version = driver
    count = len({gpu.number for gpu in seen})
    words = f"{count} ({name}), driver {version}"
    if (sentence := hidden_by_mistake()) is not None:
        return Finding("GPU", words, sentence, True)
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return Finding("GPU", f"{words}; hidden by CUDA_VISIBLE_DEVICES={hidden}")
    answer = _asked_torch()
    if isinstance(answer, str):
        return Finding("GPU", words, answer, True)
    if answer["pair"]:
        again = "Install both again, together: `pip install --force-reinstall torch torchvision`."
        return Finding(
            "GPU", words, f"torchvision does not load beside torch ({str(answer['pair'])[:120]}). {again}", True
        )
    if not answer["available"]:
        why = answer["why"] or "torch sees no GPU: `python -c 'import torch; torch.cuda.init()'` says why."
        return Finding("GPU", words, str(why), True)
    return Finding("GPU", f"{words}; torch sees {answer['count']}")


def _asked_torch() -> dict[str, object] | str:
    """What torch says, in a process of its own; a sentence if it does not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=_TORCH_PATIENCE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return f"torch did not answer within {_TORCH_PATIENCE:.0f} s; `nvidia-smi` tells whether the driver does."
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return f"torch cannot be imported: {last[:200]}"
    return dict(answer)


def memory() -> list[Finding]:
    """What is free, within the limit of a container, and the shared memory that loaders use."""
    room = memory_room()
    total, free = room.total, room.free
    where = " (the limit of this container)" if room.is_limited else ""
    words = f"{free / GIB:.1f} of {total / GIB:.1f} GB free{where}, {_processors()} processors"
    advice = "Below 4 GB free the inspector starts only when it is asked for; close what you can spare."
    findings = [Finding("Memory", words, advice if free < INSPECTOR_ROOM else "")]
    try:
        shared = os.statvfs("/dev/shm")
    except OSError:
        return findings
    size = shared.f_blocks * shared.f_frsize
    if 0 < size < GIB:
        findings.append(
            Finding(
                "Shared memory",
                f"/dev/shm has {size / 2**20:.0f} MB",
                "Loaders that share large batches need more: start the container with --shm-size=8g or --ipc=host.",
            )
        )
    return findings


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def extras(environment: Mapping[str, str]) -> list[Finding]:
    """The optional packages; one that a setting asks for and that is missing is something to do."""
    findings = []
    for name, package, purpose in _EXTRAS:
        version = _version(package)
        asked = name == "graphics" and environment.get("VITBENCH_GRAPHICS", "") in ("kitty", "sixel")
        if version is not None:
            findings.append(Finding(f"Extra {name}", f"{package} {version}"))
        elif asked:
            advice = f"VITBENCH_GRAPHICS={environment['VITBENCH_GRAPHICS']} needs it: `pip install 'vitbench[{name}]'`."
            findings.append(Finding(f"Extra {name}", f"{package} is missing", advice))
        else:
            findings.append(Finding(f"Extra {name}", f"not installed; `pip install 'vitbench[{name}]'` for {purpose}"))
    return findings


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
