"""What the loop asks of whatever it trains; classification and captioning both answer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from vitbench.data.problems import LeftOut
from vitbench.progress import Progress
from vitbench.ranks import Ranks


class TrainedNetwork(Protocol):
    """As much of a network as the loop and its checkpoints use."""

    @property
    def module(self) -> nn.Module:
        """What is trained."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def source(self) -> str:
        """A sentence on where its weights are from."""

    def write_network_json(self, folder: Path) -> None:
        """Writes into a checkpoint folder what builds the network again."""


class BatchSize(NamedTuple):
    """The `pictures` of a batch, and the `terms` that its mean loss is a mean of: pictures, or tokens of sentences."""

    pictures: int
    terms: int


@runtime_checkable
class HasExtraState(Protocol):
    """A task with more to keep in a checkpoint than the weights of its network: tensors and plain values."""

    def extra_state(self) -> dict[str, Any]:
        """What is kept."""

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """Sets the task to what was kept. Raises KeyError, TypeError and ValueError for what is none."""


class Task(Protocol):
    """Pictures, a network, and what it costs to be wrong."""

    @property
    def network(self) -> TrainedNetwork:
        """`network.module` is what learns."""

    train_size: int
    """Pictures in an epoch."""
    splits: tuple[str, ...]
    """The splits that `evaluate` knows: "val", and maybe "test" and others."""
    monitored_metric: str
    """The scalar of `evaluate` that decides which checkpoint is the best; higher is better."""
    ranks: Ranks
    """The processes among which batches and evaluations are divided."""
    left_out: LeftOut
    """Pictures that cannot be read any more, of all splits."""
    evaluation_batch: int
    """Pictures at once in an evaluation; the result does not depend on it but by rounding."""

    def batches(self, epoch: int, first_batch: int, batch_size: int) -> Iterator[Any]:
        """The batches of an epoch from number `first_batch` on: each of `batch_size` pictures, the last maybe fewer.

        Of each batch this process gets its share. A batch with pictures that cannot be read any more has fewer, or
        none. The order and each picture's augmentation depend on the seed, the epoch and the picture only.
        """

    def loss(self, module: nn.Module, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean loss over the terms of a batch (a scalar with its graph), and detached scalars to be logged."""

    def size(self, batch: Any) -> BatchSize:
        """How large a batch is; the device is not waited for."""

    def evaluate(
        self, module: nn.Module, split: str, *, step: int, folder: Path | None, progress: Progress
    ) -> dict[str, float]:
        """Scalars by name ("loss", "accuracy" ...) over one split of the data; details go into `folder`.

        `module` is in evaluation mode, and stays in it.
        """

    def close(self) -> None:
        """Ends the processes that make batches."""
