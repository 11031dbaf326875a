"""Networks held open between questions, the least recently used out when they take too much memory."""

from pathlib import Path
from typing import Protocol, cast

import torch

from vitbench.captions.open import pinned
from vitbench.compose.keys import module_key, reference_key
from vitbench.errors import UserError
from vitbench.models.network import DEMO, Network, open_network
from vitbench.models.resizing import at_image_size
from vitbench.paths import expanded
from vitbench.progress import Progress
from vitbench.recent import Recent
from vitbench.runs.store import Store

MOST_BYTES = 3 * 2**30
"""Bytes of weights that are held at once; one network is always held, however large."""
CPU = torch.device("cpu")


class HeldGpu(Protocol):
    """A GPU that is held while nobody else needs it; see `vitbench.inspector.borrowed_gpu`."""

    @property
    def held(self) -> str | None:
        """The UUID of the GPU that is held now; None without one."""

    def device(self) -> torch.device:
        """Where to compute: the GPU, if it can be had, else the CPU."""

    def is_wanted(self) -> bool:
        """Whether somebody else waits for the GPU."""

    def give_back(self) -> None:
        """Frees the GPU, once no network lies on it."""


class OpenNetworks:
    """Classifiers by reference, each opened once."""

    def __init__(self, store: Path, most_bytes: int = MOST_BYTES, gpu: HeldGpu | None = None) -> None:
        """With `gpu`, networks compute there while it can be had."""
        self.store = store
        self.gpu = gpu
        self._networks = Recent(1000, most_bytes=most_bytes, size=_bytes)

    def open(
        self, reference: str, progress: Progress, image_size: tuple[int, int] | None = None
    ) -> tuple[str, Network]:
        """The network, and its reference with the checkpoint that `@last` or `@best` means now; set to pictures of
        `image_size` (height, width), if that is another than its own.

        Raises UserError if it names none, or a captioner, or if it cannot be set to that size.
        """
        store = Store(self.store)
        named = self.pinned(reference)

        def opened() -> Network:
            progress(0, 0, "opening the network")
            return open_network(named, store, progress)

        network = self._networks.get(reference_key(named), opened)
        if image_size is not None and image_size != network.image_size:
            own = network
            network = self._networks.get((module_key(own.module), image_size), lambda: at_image_size(own, image_size))
        if self.gpu is not None:
            network.module.to(self.gpu.device())
        return named, network

    @property
    def held(self) -> list[str]:
        """The references of the networks in memory, the one used last at the end; without those of another size."""
        keys = cast(list[tuple[object, ...]], self._networks.keys())
        return [key[0] for key in keys if isinstance(key[0], str)]

    def give_back(self) -> None:
        """Forgets all networks, and frees the GPU."""
        self._networks.clear()
        if self.gpu is not None:
            self.gpu.give_back()

    def leave_gpu(self) -> None:
        """Frees the GPU; the networks stay, in main memory."""
        if self.gpu is None or self.gpu.held is None:
            return
        for network in self._networks.values():
            assert isinstance(network, Network)
            network.module.to(CPU)
        self.gpu.give_back()

    def pinned(self, reference: str) -> str:
        """The reference with the checkpoint that it means now. Raises UserError for a run that trains a captioner."""
        if reference == DEMO:
            return reference
        store = Store(self.store)
        try:
            run = store.find(reference.partition("@")[0])
        except UserError:
            path = expanded(reference)
            return str(path.absolute()) if path.exists() else reference
        if run.recipe().task == "caption":
            raise UserError(f"Run {run.id} trains a captioner: w opens its captions.")
        return pinned(reference, store)


def _bytes(network: object) -> int:
    assert isinstance(network, Network)
    return sum(weight.numel() * weight.element_size() for weight in network.module.parameters())
