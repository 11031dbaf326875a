"""A false NVML: as much of `pynvml` as vitbench calls, answering from the JSON file that FALSE_NVML names."""

import json
import os
from pathlib import Path
from types import SimpleNamespace


class NVMLError(Exception):
    pass


def _state():
    try:
        return json.loads(Path(os.environ["FALSE_NVML"]).read_text())
    except (OSError, KeyError):
        raise NVMLError("Driver Not Loaded") from None


def nvmlInit():  # noqa: N802 - the names are NVML's
    _state()


def nvmlDeviceGetCount():  # noqa: N802
    return len(_state()["gpus"])


def nvmlDeviceGetHandleByIndex(number):  # noqa: N802
    return (number, None)


def nvmlDeviceGetMigMode(handle):  # noqa: N802
    if "mig" not in _at(handle):
        raise NVMLError("Not Supported")
    return [1, 1]


def nvmlDeviceGetMaxMigDeviceCount(handle):  # noqa: N802
    return 7


def nvmlDeviceGetMigDeviceHandleByIndex(handle, place):  # noqa: N802
    if place >= len(_at(handle)["mig"]):
        raise NVMLError("Not Found")
    return (handle[0], place)


def nvmlDeviceGetUUID(handle):  # noqa: N802
    return _at(handle)["uuid"]


def nvmlDeviceGetHandleByUUID(uuid):  # noqa: N802
    for number, gpu in enumerate(_state()["gpus"]):
        if gpu["uuid"] == uuid:
            return (number, None)
    raise NVMLError("Not Found")


def nvmlDeviceGetName(handle):  # noqa: N802
    return _at(handle).get("name", "NVIDIA False")


def nvmlSystemGetDriverVersion():  # noqa: N802
    return _state()["driver"]


def nvmlDeviceGetMemoryInfo(handle):  # noqa: N802
    gpu = _at(handle)
    total = gpu.get("total", 48)
    free = gpu.get("free", total)
    return SimpleNamespace(total=int(total * 2**30), free=int(free * 2**30), used=int((total - free) * 2**30))


def nvmlDeviceGetComputeRunningProcesses(handle):  # noqa: N802
    listed = _at(handle).get("processes", {}).items()
    return [SimpleNamespace(pid=int(pid), usedGpuMemory=size and int(size * 2**30)) for pid, size in listed]


def nvmlDeviceGetGraphicsRunningProcesses(handle):  # noqa: N802
    return []


def nvmlDeviceGetUtilizationRates(handle):  # noqa: N802
    return SimpleNamespace(gpu=50, memory=10)


def nvmlDeviceGetPowerUsage(handle):  # noqa: N802
    return _known(handle, "power") * 1000


def nvmlDeviceGetEnforcedPowerLimit(handle):  # noqa: N802
    return 700_000


def nvmlDeviceGetTemperature(handle, sensor):  # noqa: N802
    return _known(handle, "temperature")


def _known(handle, what):
    if what not in _at(handle):
        raise NVMLError("Not Supported")
    return _at(handle)[what]


def _at(handle):
    number, place = handle
    gpu = _state()["gpus"][number]
    return gpu if place is None else gpu["mig"][place]
