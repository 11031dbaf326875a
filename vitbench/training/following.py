"""The monitor of a process that is not the first of its run: it computes, and writes nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from vitbench.training.checkpoint import Checkpoints
from vitbench.training.control import Control
from vitbench.training.monitor import Monitor
from vitbench.training.state import Training


class Follower(Monitor):
    """As Monitor for the loop. What rank 0 writes is the same here, so it need not be written twice."""

    def __init__(self, checkpoints: Checkpoints, control: Control) -> None:
        self.checkpoints, self.control, self.evaluations = checkpoints, control, None

    def timed(self, batches: Iterator[object]) -> Iterator[object]:
        """The same batches."""
        return batches

    def record(self, training: Training, loss: Tensor, gradient_norm: Tensor, extras: Mapping[str, Tensor]) -> None:
        """Nothing: losses and gradients are those of all processes, and rank 0 judges them."""

    def flush(self, training: Training) -> None:
        """Nothing."""

    def begins(self, training: Training) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Nothing: rank 0 notices in the middle of long work that somebody asks to leave, and saves."""

    @contextmanager
    def saved_when_interrupted(self, training: Training) -> Iterator[None]:
        """Does what is inside."""
        yield

    def evaluated(self, training: Training, scalars: Mapping[str, float], split: str = "validation") -> None:
        """Forgets the pictures that rank 0 names."""
        training.task.left_out.news()

    def save(self, training: Training, *, keep: bool = False) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def warn(self, training: Training, text: str) -> None:
        """Nothing."""
