"""The GPUs of this machine: each belongs to one run at a time, by a lock on a file that bears its UUID.

The lock lives on a descriptor that the worker inherits, so it outlives whoever started the worker, and ends with it.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError

_FOLDER = Path("/tmp/vitbench-gpus")
"""One for all users of a machine, on its own disk: a GPU is of one machine, a store may be of many."""


@dataclass(frozen=True)
class HeldGpu:
    """A GPU that is ours while `descriptor` is open, here or in a process that inherited it."""

    uuid: str
    descriptor: int

    def close(self) -> None:
        """Closes our descriptor; the GPU is free unless another process has it too."""
        os.close(self.descriptor)


def usable_gpus() -> list[str]:
    """The UUIDs of the GPUs that runs may use, in the order of their PCI addresses; empty without a GPU.

    `VITBENCH_GPUS` names them (UUIDs with commas between); else those of CUDA_VISIBLE_DEVICES, or all that NVML sees.
    """
    named = os.environ.get("VITBENCH_GPUS")
    if named is not None:
        return [uuid.strip() for uuid in named.split(",") if uuid.strip()]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return []
    found = _uuids_of_nvml()
    if visible is None:
        return found
    wanted = [word.strip() for word in visible.split(",")]
    chosen = []
    for word in wanted:
        if word.isdigit():
            chosen += found[int(word) : int(word) + 1]
        else:
            chosen += [uuid for uuid in found if uuid.startswith(word)]
    return chosen


def take_gpu(uuids: list[str]) -> HeldGpu | None:
    """The first of these GPUs that no run holds; None if all are held."""
    for uuid in uuids:
        descriptor = _open(uuid)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return HeldGpu(uuid, descriptor)
    return None


def gpus_for(device: str) -> list[str]:
    """The GPUs of which one will do for `train.device`, by UUID; empty where the CPU computes.

    Raises UserError for a number that no GPU has.
    """
    gpus = [] if device == "cpu" else usable_gpus()
    number = device.partition(":")[2]
    if not number or not gpus:
        return gpus
    if int(number) >= len(gpus):
        raise UserError(f"train.device = {device}, but there are {len(gpus)} GPUs: cuda:0 to cuda:{len(gpus) - 1}.")
    return [gpus[int(number)]]


def seen_with(gpu: HeldGpu, device: str) -> dict[str, str]:
    """The environment in which `train.device` means this GPU."""
    if ":" in device:
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as NVML counts
    return {"CUDA_VISIBLE_DEVICES": gpu.uuid}


def _open(uuid: str) -> int:
    """The lock file of a GPU. Folder and file are everyone's, whatever the umask; no link is followed.

    An existing file is opened without O_CREAT, which kernels refuse for another's file in such a folder.
    """
    folder = Path(os.environ.get("VITBENCH_GPU_LOCKS") or _FOLDER)
    try:
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    except FileExistsError:
        pass
    file = folder / "".join(sign for sign in uuid if sign.isalnum() or sign in "-_")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        try:
            return os.open(file, flags)
        except FileNotFoundError:
            try:
                descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            os.fchmod(descriptor, 0o644)
            return descriptor


def _uuids_of_nvml() -> list[str]:
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        return [str(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(number))) for number in range(count)]
    except pynvml.NVMLError:
        return []
