"""What NVML says of this machine's GPUs and of who uses them. Where NVML is missing or fails, there is no answer."""

import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_GPU = "this machine shows no NVIDIA GPU"
_RESERVED = 2**30
"""Bytes that a driver may keep for itself on a GPU that nobody uses."""


@dataclass(frozen=True)
class Usage:
    """Memory of a GPU in bytes, and what the processes of each user hold; None where NVML does not say how much."""

    free: int
    total: int
    users: dict[str, int | None]

    @property
    def is_shared(self) -> bool:
        """Whether somebody else's process is on the GPU. In a container NVML shows its memory, but no process."""
        return bool(self.users) or self.total - self.free > _RESERVED

    def sentence(self) -> str:
        """How much is free and who holds the rest: `30 of 48 GB free; user ann holds 18`."""
        users = self.users or {"another process": self.total - self.free}
        held = [f"{user} holds {'some' if size is None else _gigabytes(size)}" for user, size in users.items()]
        return f"{_gigabytes(self.free)} of {_gigabytes(self.total)} GB free; {', '.join(held)}"


@dataclass(frozen=True)
class SeenGpu:
    """A GPU, or a MIG device, which is a part of one. `number` is the GPU's, as nvidia-smi counts."""

    uuid: str
    number: int
    _handle: object = field(repr=False, compare=False)

    @property
    def handle(self) -> Any:
        """What NVML's functions take."""
        return self._handle

    def processes(self) -> dict[int, int | None]:
        """Bytes held by each process, by pid; None where NVML does not say how many."""
        return _processes(self._handle)

    def usage(self) -> Usage | None:
        """Who holds its memory, this process aside; None if NVML does not say."""
        import pynvml

        try:
            memory = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
        except (pynvml.NVMLError, AttributeError):
            return None
        users: dict[str, int | None] = {}
        ours = 0
        for pid, size in self.processes().items():
            if pid == os.getpid():
                ours += size or 0
                continue
            user = user_of(pid)
            known = users.get(user, 0)
            users[user] = None if size is None or known is None else known + size
        return Usage(int(memory.free) + ours, int(memory.total), users)


def seen_gpus() -> list[SeenGpu] | None:
    """The GPUs in the order of their PCI addresses, one that is split by its MIG devices; None without NVML."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        found = []
        for number in range(pynvml.nvmlDeviceGetCount()):
            gpu = pynvml.nvmlDeviceGetHandleByIndex(number)
            for device in _mig_devices(gpu) or [gpu]:
                found.append(SeenGpu(_text(pynvml.nvmlDeviceGetUUID(device)), number, device))
    except pynvml.NVMLError:
        return None
    return found


def may_have_gpus() -> bool:
    """Whether torch may find a GPU here: NVML lists one, or there is no NVML beside the driver's device files."""
    seen = seen_gpus()
    if seen is not None:
        return bool(seen)
    return any(Path(file).exists() for file in ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/dxg"))


def gpu_and_driver() -> tuple[str, str] | None:
    """The name of the first GPU and the version of the driver; None without a GPU or NVML."""
    if not (gpus := seen_gpus()):
        return None
    import pynvml

    try:
        gpu = pynvml.nvmlDeviceGetHandleByIndex(gpus[0].number)
        return _text(pynvml.nvmlDeviceGetName(gpu)), _text(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


def _mig_devices(gpu: object) -> list[object]:
    """The MIG devices of a GPU that is split into them; empty for a whole one."""
    import pynvml

    try:
        if pynvml.nvmlDeviceGetMigMode(gpu)[0] != 1:
            return []
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)
    except (pynvml.NVMLError, AttributeError):
        return []
    devices = []
    for place in range(most):
        try:
            devices.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, place))
        except pynvml.NVMLError:
            continue  # places need not be taken
    return devices


def _processes(gpu: object) -> dict[int, int | None]:
    """Bytes by pid."""
    import pynvml

    found: dict[int, int | None] = {}
    for kind in ("Compute", "Graphics"):
        try:
            listed = getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses")(gpu)
        except (pynvml.NVMLError, AttributeError):
            continue
        found |= {int(process.pid): process.usedGpuMemory for process in listed}
    return found


def user_of(pid: int) -> str:
    """Whose a process is, in words."""
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return "another process"
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.0f}"
