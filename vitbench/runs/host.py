"""What the machine does meanwhile: processor, memory and GPU, as scalars; and how much memory is free."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

INSPECTOR_ROOM = 4 * 2**30
"""Bytes of free memory below which the app does not start the inspector by itself."""


@dataclass(frozen=True)
class MemoryRoom:
    """Bytes of main memory, within the limit of this process's container if it has one."""

    free: int
    total: int
    is_limited: bool = False


def memory_room() -> MemoryRoom:
    """What can be used now without swapping."""
    memory = psutil.virtual_memory()
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is None or limit >= memory.total:
        return MemoryRoom(int(memory.available), int(memory.total))
    return MemoryRoom(min(int(memory.available), max(0, limit - (used or 0))), limit, True)


def _cgroup(name: str) -> int | None:
    """A number of this process's cgroup (version 2); None without one, or without a limit."""
    try:
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        folder = Path("/sys/fs/cgroup") / own.removeprefix("0::").lstrip("/")
        return int((folder / name).read_text())
    except (OSError, ValueError, StopIteration):
        return None


class HostMonitor:
    """Measures since the last call. GPU figures are there when NVML is, for the GPUs that are named by UUID."""

    def __init__(self, gpu_uuids: list[str] | None = None) -> None:
        self._process = psutil.Process(os.getpid())
        self._gpus = _handles(gpu_uuids or [])
        psutil.cpu_percent()

    def scalars(self) -> dict[str, float]:
        """`system/cpu_percent` of the whole machine; memory of this process; mean GPU load, summed GPU memory
        and power."""
        figures = {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/memory_gib": self._process.memory_info().rss / 2**30,
        }
        if self._gpus:
            import pynvml

            try:
                load = [pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in self._gpus]
                used = [pynvml.nvmlDeviceGetMemoryInfo(gpu).used for gpu in self._gpus]
                figures |= self._power()
            except pynvml.NVMLError:
                return figures
            figures["system/gpu_utilization"] = sum(load) / len(load)
            figures["system/gpu_memory_gib"] = sum(used) / 2**30
        return figures

    def _power(self) -> dict[str, float]:
        """The GPUs' power in watts, from which a report makes the energy; nothing where NVML does not tell it."""
        import pynvml

        try:
            return {"system/gpu_power_watts": sum(pynvml.nvmlDeviceGetPowerUsage(gpu) for gpu in self._gpus) / 1000}
        except (pynvml.NVMLError, AttributeError):
            return {}


def _handles(uuids: list[str]) -> list[object]:
    if not uuids:
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
    except pynvml.NVMLError:
        return []
