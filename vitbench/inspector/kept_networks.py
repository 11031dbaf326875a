"""Networks held open between questions, the least recently used out when they take too much memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar

from vitbench.captions.open import pinned
from vitbench.errors import UserError
from vitbench.inspector.borrowed_gpu import CPU, BorrowedGpu
from vitbench.models.network import DEMO, Network, open_network
from vitbench.progress import Progress
from vitbench.runs.store import Store

MOST_BYTES = 3 * 2**30
"""Bytes of weights that are held at once; one network is always held, however large."""

Value = TypeVar("Value")


class KeptNetworks:
    """Classifiers by reference, each opened once."""

    def __init__(self, store: Path, most_bytes: int = MOST_BYTES, gpu: BorrowedGpu | None = None) -> None:
        """With `gpu`, networks compute there while it can be had."""
        self.store = store
        self.gpu = gpu
        self.most_bytes = most_bytes
        self._networks: OrderedDict[str, Network] = OrderedDict()

    def open(self, reference: str, progress: Progress) -> tuple[str, Network]:
        """The network, and its reference with the checkpoint that `@last` or `@best` means now.

        Raises UserError if it names none, or a captioner.
        """
        store = Store(self.store)
        named = self._pinned(reference, store)
        if named not in self._networks:
            progress(0, 0, "opening the network")
            self._networks[named] = open_network(named, store, progress)
        self._networks.move_to_end(named)
        while len(self._networks) > 1 and sum(map(_bytes, self._networks.values())) > self.most_bytes:
            self._networks.popitem(last=False)
        if self.gpu is not None:
            self._networks[named].module.to(self.gpu.device())
        return named, self._networks[named]

    @property
    def held(self) -> list[str]:
        """The references of the networks in memory, the one used last at the end."""
        return list(self._networks)

    def give_back(self) -> None:
        """Forgets all networks, and frees the GPU."""
        self._networks.clear()
        if self.gpu is not None:
            self.gpu.give_back()

    def yield_gpu(self) -> None:
        """Frees the GPU if a run waits for one."""
        if self.gpu is not None and self.gpu.held is not None and self.gpu.is_wanted():
            self.leave_gpu()

    def leave_gpu(self) -> None:
        """Frees the GPU; the networks stay, in main memory."""
        if self.gpu is None or self.gpu.held is None:
            return
        for network in self._networks.values():
            network.module.to(CPU)
        self.gpu.give_back()

    @staticmethod
    def _pinned(reference: str, store: Store) -> str:
        if reference == DEMO:
            return reference
        try:
            run = store.find(reference.partition("@")[0])
        except UserError:
            return reference
        if run.recipe().task == "caption":
            raise UserError(f"Run {run.id} trains a captioner: w opens its captions.")
        return pinned(reference, store)


class Kept:
    """The last values of a kind; the one that was not asked for longest is forgotten."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it is not there."""
        if key not in self._values:
            self._values[key] = make()
            while len(self._values) > self.most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]  # type: ignore[return-value]

    def clear(self) -> None:
        """Forgets all."""
        self._values.clear()


def _bytes(network: Network) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.module.parameters())
