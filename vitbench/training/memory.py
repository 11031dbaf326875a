"""Out of memory, as an event that a loop can answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import clear_frames
from types import TracebackType
from typing import Any, Self

import torch
from torch.optim import Optimizer

from vitbench.errors import UserError
from vitbench.exhausted import is_out_of_memory


@contextmanager
def memory_told(advice: str) -> Iterator[None]:
    """Turns a failed allocation inside into a UserError with `advice`, a clause; for work that nobody can shrink."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise UserError(f"Out of memory: {advice}.") from error
        raise


class OutOfMemory:
    """`with OutOfMemory(optimizer, device) as memory:` swallows a failed allocation; then `memory.ran_out` is true.

    It frees what the step had built: the frames of the error, the gradients, and the allocator's cached blocks.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device) -> None:
        self.optimizer, self.device = optimizer, device
        self.ran_out = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.ran_out = is_out_of_memory(error)
        if self.ran_out and error is not None:
            # The frames hold the activations; whoever handles the error holds the frames until this returns.
            clear_frames(traceback)
            error.__traceback__ = None
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return self.ran_out


def copied_to_cpu(value: object) -> Any:
    """A copy of a state dict, its tensors in main memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied_to_cpu(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copied_to_cpu(item) for item in value)
    return value


def next_smaller(batch_size: int) -> int:
    """The largest divisor of `batch_size` below it: half of an even one, so that whole micro-steps fill a step."""
    return next(size for size in range(batch_size // 2, 0, -1) if batch_size % size == 0)
