"""The GPU that the inspector computes on while no run needs it: held by the same lock as a run's, and given back when
a run waits or nobody asks."""

from collections.abc import Callable
from pathlib import Path

import torch

from vitbench.runs.gpus import HeldGpu, take_gpu, usable_gpus
from vitbench.runs.status import read_status
from vitbench.runs.store import Store

CPU = torch.device("cpu")


def gpus_of_torch() -> dict[str, int]:
    """The number by which this process knows each GPU, by its UUID as NVML writes it; empty without CUDA."""
    if not torch.cuda.is_available():
        return {}
    count = torch.cuda.device_count()
    return {f"GPU-{torch.cuda.get_device_properties(number).uuid}": number for number in range(count)}


class BorrowedGpu:
    """Where to compute now. A GPU that a run holds, or that a run waits for, is never taken."""

    def __init__(self, store: Path, numbers: Callable[[], dict[str, int]] = gpus_of_torch) -> None:
        self.store = store
        self._numbers = numbers
        self._held: HeldGpu | None = None

    @property
    def held(self) -> str | None:
        """The UUID of the GPU that is ours now."""
        return None if self._held is None else self._held.uuid

    def device(self) -> torch.device:
        """The GPU that is held or free, else the CPU."""
        numbers = self._numbers()
        if self._held is None and numbers:
            usable = [uuid for uuid in usable_gpus() if uuid in numbers]
            if usable and not self.is_wanted():
                self._held = take_gpu(usable)
        return CPU if self._held is None else torch.device("cuda", numbers[self._held.uuid])

    def is_wanted(self) -> bool:
        """Whether a run of this store waits for a GPU."""
        return any(read_status(run.folder).is_waiting for run in Store(self.store).runs())

    def give_back(self) -> None:
        """Frees what torch keeps of its memory, and then the lock; whoever calls has moved everything off it."""
        if self._held is None:
            return
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        self._held.close()
        self._held = None
