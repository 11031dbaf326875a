"""Each GPU as NVML reads it now, with the processes on it: whose they are, and which run they compute."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.runs.lease import allowed_gpus, is_leased
from vitbench.runs.nvml import SeenGpu, seen_gpus, user_of
from vitbench.runs.process import mark_of_process

_MILLI = 1000.0


@dataclass(frozen=True)
class Holder:
    """A process on a GPU. `size` is in bytes; None where NVML does not say. `run` is the id of a run of this store."""

    pid: int
    user: str
    size: int | None
    command: str
    run: str | None

    @property
    def title(self) -> str:
        """The run, or the command, or the pid where neither may be read."""
        return self.run or self.command or f"process {self.pid}"


@dataclass(frozen=True)
class GpuReading:
    """One GPU, or one MIG device. What NVML does not say is None: a MIG device has no load of its own, for example."""

    uuid: str
    number: int
    name: str
    total: int | None
    used: int | None
    """Bytes of memory."""
    load: int | None
    """Per cent of the last sample period in which a kernel ran."""
    power: float | None
    power_limit: float | None
    """Watts."""
    temperature: int | None
    """Degrees Celsius."""
    leased: bool
    """Whether a run or command of vitbench holds its lease."""
    allowed: bool
    """Whether CUDA_VISIBLE_DEVICES and VITBENCH_GPUS let runs of this session use it."""
    holders: tuple[Holder, ...]


def read_gpus(runs: Mapping[str, str]) -> list[GpuReading] | None:
    """All GPUs, those too that may not be used here; None without NVML.

    `runs` gives the id of a run by the mark that its processes carry (`vitbench.runs.process.mark_of`).
    """
    seen = seen_gpus()
    if seen is None:
        return None
    allowed = {gpu.name for gpu in allowed_gpus()}
    return [_read(gpu, gpu.uuid in allowed, runs) for gpu in seen]


def _read(gpu: SeenGpu, allowed: bool, runs: Mapping[str, str]) -> GpuReading:
    import pynvml

    def ask(function: str, *arguments: Any) -> Any:
        return _asked(lambda: getattr(pynvml, function)(gpu.handle, *arguments))

    memory = ask("nvmlDeviceGetMemoryInfo")
    load = ask("nvmlDeviceGetUtilizationRates")
    power, limit = ask("nvmlDeviceGetPowerUsage"), ask("nvmlDeviceGetEnforcedPowerLimit")
    name = ask("nvmlDeviceGetName")
    return GpuReading(
        uuid=gpu.uuid,
        number=gpu.number,
        name=name.decode(errors="replace") if isinstance(name, bytes) else str(name or "GPU"),
        total=None if memory is None else int(memory.total),
        used=None if memory is None else int(memory.used),
        load=None if load is None else int(load.gpu),
        power=None if power is None else power / _MILLI,
        power_limit=None if limit is None else limit / _MILLI,
        temperature=ask("nvmlDeviceGetTemperature", getattr(pynvml, "NVML_TEMPERATURE_GPU", 0)),
        leased=is_leased(gpu.uuid),
        allowed=allowed,
        holders=tuple(_holder(pid, size, runs) for pid, size in sorted(gpu.processes().items())),
    )


def _asked(question: Callable[[], Any]) -> Any:
    """The answer, or None where this GPU or this driver has none."""
    import pynvml

    try:
        return question()
    except (pynvml.NVMLError, AttributeError):
        return None


def _holder(pid: int, size: int | None, runs: Mapping[str, str]) -> Holder:
    mark = mark_of_process(pid)
    return Holder(pid, user_of(pid), size, _command(pid), runs.get(mark) if mark else None)


def _command(pid: int) -> str:
    """How a process was called, shortened to its program and what it runs; empty where it may not be read."""
    try:
        words = [
            word.decode(errors="replace") for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if word
        ]
    except OSError:
        return ""
    return " ".join([os.path.basename(words[0]), *words[1:4]]) if words else ""  # noqa: PTH119 - not a path of ours
