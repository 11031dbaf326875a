"""What the machine does meanwhile: processor, memory and GPU, as scalars."""

import os

import psutil


class HostMonitor:
    """Measures since the last call. GPU figures are there when NVML is, for the GPUs that are named by UUID."""

    def __init__(self, gpu_uuids: list[str] | None = None) -> None:
        self._process = psutil.Process(os.getpid())
        self._gpus = _handles(gpu_uuids or [])
        psutil.cpu_percent()

    def scalars(self) -> dict[str, float]:
        """`system/cpu_percent` of the whole machine; memory of this process; mean GPU load and summed GPU memory."""
        figures = {
            "system/cpu_percent": psutil.cpu_percent(),
            "system/memory_gib": self._process.memory_info().rss / 2**30,
        }
        if self._gpus:
            import pynvml

            try:
                load = [pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in self._gpus]
                used = [pynvml.nvmlDeviceGetMemoryInfo(gpu).used for gpu in self._gpus]
            except pynvml.NVMLError:
                return figures
            figures["system/gpu_utilization"] = sum(load) / len(load)
            figures["system/gpu_memory_gib"] = sum(used) / 2**30
        return figures


def _handles(uuids: list[str]) -> list[object]:
    if not uuids:
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]
    except pynvml.NVMLError:
        return []
