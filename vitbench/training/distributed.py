"""Several processes that train one run: torch.distributed and DistributedDataParallel behind `Ranks`.

torch elastic starts the processes and tells each its rank (`vitbench.training.elastic`). Gradients are averaged on the
device by DDP; counts and flags go over gloo between the processors, so that nobody waits for a GPU to learn them.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vitbench.errors import UserError
from vitbench.ranks import Ranks
from vitbench.training.task import BatchSize, Task

T = TypeVar("T")
_PATIENCE = timedelta(days=2)
"""How long a process waits for another: rank 0 may decode a large data set first. A process that ended is not waited
for; the agent that started it ends all."""


class JoinedRanks(Ranks):
    """The processes of torch.distributed, whose environment (RANK, WORLD_SIZE, MASTER_ADDR ...) is set."""

    def __init__(self, device: torch.device) -> None:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self._words: Any = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def gather(self, value: T) -> list[T]:
        """As Ranks; the values travel as pickles between processes of one run."""
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value, group=self._words)
        return found

    def agree(self, number: int) -> int:
        """As Ranks."""
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self._words)
        return int(largest)

    def total(
        self, loss: Tensor, extras: dict[str, Tensor], terms: int, pictures: int
    ) -> tuple[Tensor, dict[str, Tensor], int, int]:
        """As Ranks. A process without a picture in this step has no extras, so their names are gathered too."""
        told = self.gather((terms, pictures, tuple(extras)))
        names = sorted({name for _, _, known in told for name in known})
        zero = torch.zeros_like(loss)
        values = torch.stack([loss, *(extras.get(name, zero).to(loss) for name in names)])
        dist.all_reduce(values)
        mean, *others = (values / self.world).unbind()
        return mean, dict(zip(names, others, strict=True)), sum(one[0] for one in told), sum(one[1] for one in told)

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """As Ranks."""
        if not self.is_first:
            self.agree(0)
        try:
            yield
        finally:
            if self.is_first:
                self.agree(0)

    def join(self, module: nn.Module) -> nn.Module:
        """The module under DDP. Weights without a gradient in a step are left alone, as one process leaves them."""
        with warnings.catch_warnings():  # what torch 2.15 proposes instead means less, as it says itself
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(module, broadcast_buffers=False, find_unused_parameters=True)

    def close(self) -> None:
        """Leaves the others."""
        dist.destroy_process_group()


class Loss(nn.Module):
    """A task's loss as a module, which is what DDP wraps: it sees every way in which a task uses its network.

    A process whose part of a batch is empty takes part in the reduction with a loss of 0.
    """

    def __init__(self, task: Task, plain_module: nn.Module, module_for: Callable[[int], nn.Module]) -> None:
        """`module_for` gives what computes a batch of so many pictures: `plain_module`, or that compiled."""
        super().__init__()
        self.plain_module = plain_module
        self._task, self._module_for = [task], module_for
        # In a list, so that it is not taken for a part of this module, whatever it is.

    def forward(self, batch: Any, size: BatchSize) -> tuple[Tensor, dict[str, Tensor]]:
        if size.terms:
            return self._task[0].loss(self._module_for(size.pictures), batch)
        return _anchor(self.plain_module).sum() * 0.0, {}


def _anchor(module: nn.Module) -> nn.Parameter:
    """A weight that learns in every phase of a training: the classifier's, where there is one, else the last."""
    learning = [weight for weight in module.parameters() if weight.requires_grad]
    if hasattr(module, "get_classifier"):
        from vitbench.models.adaptation import classifiers

        own = [weight for head in classifiers(module) for weight in head.parameters() if weight.requires_grad]
        return (own or learning)[-1]
    return learning[-1]


def without_reduction(joined: nn.Module, last: bool) -> AbstractContextManager[object]:
    """Around a micro-step that is not the last one of its step: gradients are only summed up here."""
    return nullcontext() if last or not isinstance(joined, DistributedDataParallel) else joined.no_sync()


def is_loss_of_others(error: BaseException) -> bool:
    """Whether an error only says that another process of the run is gone."""
    if isinstance(error, dist.DistBackendError | dist.DistNetworkError | dist.DistStoreError):
        return True
    words = ("gloo", "Connection closed by peer", "Connection reset", "NCCL communicator was aborted")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def refuse_unfit(name: str, module: nn.Module, world: int, batch_size: int) -> None:
    """Raises UserError for what several processes cannot compute as one does."""
    if world > 1 and any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules()):
        raise UserError(
            f"{name} normalises over the pictures of a batch (batch norm), which would differ in each "
            f"of {world} processes: train it in one (launch.processes = 1, launch.gpus = 1)."
        )
    if batch_size < world:
        raise UserError(f"train.batch_size = {batch_size} cannot be divided among {world} processes; make it larger.")
