"""The GPU that the inspector computes on while no run needs it: leased as a run leases one, and given back when a run
waits or nobody asks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vitbench.errors import UserError
from vitbench.runs.lease import Busy, Gpu, Lease, allowed_gpus, take
from vitbench.runs.queue import waits_here
from vitbench.runs.slots import CPU as CPU_SLOT
from vitbench.runs.status import read_status
from vitbench.runs.store import Store
from vitbench.training.device import leased_device

CPU = torch.device("cpu")


class BorrowedGpu:
    """Where to compute now. A GPU that a run holds, or that a run waits for, is never taken.

    The first GPU that is taken is the only one for the life of the process: CUDA looks once at what is visible.
    """

    def __init__(self, store: Path, device_of: Callable[[Lease], torch.device] = leased_device) -> None:
        self.store = store
        self._device_of = device_of
        self._lease: Lease | None = None
        self._device = CPU
        self._bound: str | None = None
        self._useless = False
        self._users = 0
        self._changing = threading.RLock()

    @property
    def held(self) -> str | None:
        """The UUID of the GPU that is ours now."""
        return None if self._lease is None else self._lease.gpu

    @contextmanager
    def use(self) -> Iterator[torch.device]:
        """The device to compute on meanwhile; a GPU is not given back before this ends."""
        with self._changing:
            device = self.device()
            self._users += 1
        try:
            yield device
        finally:
            with self._changing:
                self._users -= 1

    def device(self) -> torch.device:
        """The GPU that is held or free, else the CPU."""
        with self._changing:
            return self._found()

    def _found(self) -> torch.device:
        if self._lease is None and not self._useless and (gpus := self._gpus()) and not self.is_wanted():
            lease = take(gpus)
            if not isinstance(lease, Busy):
                self._compute_on(lease)
        return CPU if self._lease is None else self._device

    def is_wanted(self) -> bool:
        """Whether a run of this store waits for a GPU."""
        waiting = (status for run in Store(self.store).runs() if waits_here(status := read_status(run.folder)))
        return any(status.queued_for != [CPU_SLOT] for status in waiting)

    def give_back(self) -> None:
        """Frees what torch keeps of its memory, and then the lease, unless somebody uses it; whoever calls has moved
        everything of its own off it."""
        with self._changing:
            if self._lease is None or self._users:
                return
            if torch.cuda.is_initialized():
                torch.cuda.synchronize(self._device)
                torch.cuda.empty_cache()
            self._lease.close()
            self._lease = None

    def _gpus(self) -> list[Gpu]:
        return [gpu for gpu in allowed_gpus() if self._bound in (None, gpu.name)]

    def _compute_on(self, lease: Lease) -> None:
        lease.bind()
        self._bound = lease.gpu
        try:
            self._device = self._device_of(lease)
        except UserError:
            self._useless = True  # told once; what is asked next computes on the CPU
            lease.close()
            raise
        if self._device == CPU:
            self._useless = True  # torch cannot use it; a run that gets it will say why
            lease.close()
            return
        self._lease = lease
