"""Where a run computes. Nothing trains silently on the CPU beside a GPU that torch cannot use."""

import os

import torch

from vitbench.errors import UserError

_LEAST_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580.65.06"}
"""The oldest Linux driver for each major version of CUDA (NVIDIA's table of minor-version compatibility)."""


def choose_device(wanted: str) -> torch.device:
    """The device for `train.device`: "auto", "cpu", "cuda" or "cuda:N".

    Raises UserError if the machine has a GPU (or one is asked for) that torch cannot use, with what to do about it.
    """
    if wanted == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise UserError(f"train.device = {wanted}, but torch sees {count} GPU(s): cuda:0 to cuda:{count - 1}.")
        return device
    reason = why_no_cuda()
    if reason is not None:
        raise UserError(f'{reason} To train on the CPU all the same, set train.device = "cpu".')
    if wanted != "auto":
        raise UserError(f'train.device = {wanted}, but this machine shows no NVIDIA GPU; set it to "auto" or "cpu".')
    return torch.device("cpu")


def why_no_cuda() -> str | None:
    """Why torch cannot use the GPU that NVML sees, in a sentence or two; None if there is no GPU, or it was hidden."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    found = _gpu_and_driver()
    if found is None:
        return None
    gpu, driver = found
    built_for = torch.version.cuda
    if built_for is None:
        return (
            f"This machine has a GPU ({gpu}, driver {driver}), but torch {torch.__version__} was built without CUDA: "
            "install torch and torchvision as a pair from the registry."
        )
    needed = _LEAST_DRIVERS.get(int(built_for.split(".")[0]))
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
    """The UUID of the GPU, as NVML writes it; empty on a CPU."""
    if device.type != "cuda":
        return []
    return [f"GPU-{torch.cuda.get_device_properties(device).uuid}"]


def make_deterministic() -> None:
    """Kernels that repeat bit for bit on a GPU, slower; an operation that has none raises. Before the first kernel."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def _gpu_and_driver() -> tuple[str, str] | None:
    import pynvml

    try:
        pynvml.nvmlInit()
        if not pynvml.nvmlDeviceGetCount():
            return None
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
        return str(name), str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None
