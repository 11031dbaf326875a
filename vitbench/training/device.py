"""Where a process computes. Nothing trains silently on the CPU beside a GPU that torch cannot use."""

import os
from collections.abc import Callable

import torch

from vitbench.errors import UserError
from vitbench.runs.lease import WITHOUT_NVML, Busy, Lease, bound_lease, gpus_for, hidden_by_mistake, lease_for
from vitbench.runs.nvml import NO_GPU, gpu_and_driver, seen_gpus
from vitbench.text import counted

_LEAST_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""The oldest Linux driver for each major version of CUDA (NVIDIA's table of minor-version compatibility)."""

CPU = torch.device("cpu")


def choose_device(wanted: str) -> torch.device:
    """The device for `train.device`: "auto", "cpu", "cuda" or "cuda:N". This is CUDA's first call in a process.

    In a process that holds a lease it is the GPU of the lease, whose number there is 0. Raises UserError if the
    machine has a GPU (or one is asked for) that torch cannot use, with what to do about it.
    """
    if wanted == "cpu":
        return CPU
    lease = bound_lease()
    if lease is not None and (device := leased_device(lease)) != CPU:
        return device
    if lease is None and (sentence := hidden_by_mistake()) is not None:
        raise UserError(sentence)
    if lease is None and os.environ.get("VITBENCH_GPUS") != "" and torch.cuda.is_available():
        device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise UserError(f"train.device = {wanted}, but torch sees {counted(count, 'GPU')}, counted from cuda:0.")
        _keep_float32()
        return device
    _refuse_without_cuda(wanted)
    return CPU


def check_device(wanted: str) -> None:
    """Raises UserError as `choose_device` would, as far as that can be known without a call of CUDA.

    After such a call a process could no longer be bound to a GPU.
    """
    if wanted == "cpu":
        return
    if (sentence := hidden_by_mistake()) is not None:
        raise UserError(sentence)
    found, needed = gpu_and_driver() if gpus_for(wanted) else None, _least_driver()
    if found is None or needed is None or _version(found[1]) < _version(needed):
        _refuse_without_cuda(wanted)


def device_of_command(wanted: str, tell: Callable[[str], None]) -> torch.device:
    """Where a command computes: on a GPU that it leases until it ends, else on the CPU.

    With "auto", GPUs that are all in use leave it the CPU, which is told. Raises UserError where a GPU was asked for
    and none is free, and as `choose_device` does.
    """
    lease = lease_for(wanted)
    if isinstance(lease, Busy):
        if wanted != "auto":
            raise UserError(f"{lease.reason} Wait until one is, or choose the CPU.")
        tell(f"{lease.reason} This computes on the CPU.")
        return CPU
    if lease is not None:
        lease.bind()
    device = choose_device(wanted)
    for note in lease_notes(device):
        tell(note)
    return device


def leased_device(lease: Lease) -> torch.device:
    """The GPU of a lease to which this process is bound; the CPU if torch cannot use it.

    Raises UserError if torch computes on another GPU than the one that is held.
    """
    if not torch.cuda.is_available():
        return CPU
    device = torch.device("cuda", 0)
    found = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    if lease.gpus[0].startswith("GPU-") and found not in lease.gpus:
        raise UserError(
            f"This process holds {lease.gpu}, but torch computes on {found}: something called CUDA before the GPU "
            "was chosen. Start again, or name one GPU in CUDA_VISIBLE_DEVICES."
        )
    _keep_float32()
    return device


def lease_notes(device: torch.device) -> list[str]:
    """What a person should know of this process's lease, a sentence each."""
    lease, notes = bound_lease(), []
    if lease is not None and seen_gpus() is None:
        notes.append(WITHOUT_NVML)
    if lease is not None and device.type == "cpu":
        notes.append(f"{lease.gpu} is reserved, but torch sees no GPU: this computes on the CPU.")
    return notes


def why_no_cuda() -> str | None:
    """Why torch cannot use the GPU that NVML sees, in a sentence or two; None if there is no GPU, or it was hidden."""
    if not gpus_for("auto"):
        return None
    found = gpu_and_driver()
    if found is None:
        return None
    gpu, driver = found
    built_for = torch.version.cuda
    if built_for is None:
        return (
            f"This machine has a GPU ({gpu}, driver {driver}), but torch {torch.__version__} was built without CUDA: "
            "install torch and torchvision as a pair from the registry."
        )
    needed = _least_driver()
    needs = f", which needs driver {needed} or newer" if needed else ""
    return (
        f"This machine has a GPU ({gpu}, driver {driver}), but torch {torch.__version__} cannot use it: it was built "
        f"for CUDA {built_for}{needs}. Update the driver, or install a torch for an older CUDA."
    )


def describe_device(device: torch.device) -> str:
    """A name for people: the GPU's, or the CPU with its threads."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


def gpu_uuids(device: torch.device) -> list[str]:
    """The UUIDs of the GPUs, as NVML writes them, or the numbers of those leased by number; empty on a CPU."""
    if device.type != "cuda":
        return []
    lease = bound_lease()
    return list(lease.gpus) if lease is not None else [f"GPU-{torch.cuda.get_device_properties(device).uuid}"]


def make_deterministic() -> None:
    """Kernels that repeat bit for bit on a GPU, slower; an operation that has none raises. Before the first kernel.

    torch tells its compiler, too, to choose no kernel by measuring: it could choose another one after a resume.
    """
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def _keep_float32() -> None:
    """What is asked to be float32 is so in the patch embedding too, where cuDNN would round to TF32's 10 bits.

    It is a hundredth of a ViT's work; a map or an accuracy on a GPU would differ from the CPU's in the fourth digit.
    """
    torch.backends.cudnn.allow_tf32 = False


def _refuse_without_cuda(wanted: str) -> None:
    reason = why_no_cuda()
    if reason is not None:
        raise UserError(f'{reason} To train on the CPU all the same, set train.device = "cpu".')
    if wanted != "auto":
        raise UserError(f'train.device = {wanted}, but {NO_GPU}; set it to "auto" or "cpu".')


def _least_driver() -> str | None:
    """The oldest driver for the CUDA that torch was built for; None if it was built without, or that is unknown."""
    return _LEAST_DRIVERS.get(int((torch.version.cuda or "0").split(".")[0]))


def _version(text: str) -> list[int]:
    return [int(word) for word in text.split(".") if word.isdigit()]
