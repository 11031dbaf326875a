"""Where a composition finds networks, captioners and what was computed lately. The inspector keeps one; a command
makes one for its run."""

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar, cast

from vitbench.captions.captioner import OpenedCaptioner, move
from vitbench.compose.before import network_before
from vitbench.compose.keys import file_key, module_key, reference_key
from vitbench.compose.networks import CPU, HeldGpu, OpenNetworks
from vitbench.compose.turn import Turn
from vitbench.errors import UserError
from vitbench.figures.provenance import file_hash
from vitbench.models.network import Network
from vitbench.models.resizing import at_image_size
from vitbench.progress import Progress, silent
from vitbench.recent import Recent
from vitbench.runs.store import Store

Value = TypeVar("Value")

_LIMITS = {"attention": 4, "map": 400, "outliers": 40, "picture": 40, "hash": 400, "before": 2, "positions": 8}
_FEATURE_LIMITS = {"features": 64, "embeddings": 12}
_CAPTION_LIMITS = {"captioner": 3, "encoded": 12, "word maps": 200}


class Sources:
    """Networks of one store, and recently used values of each kind. What is kept lies in main memory: a GPU may be
    given back between two questions."""

    def __init__(self, folder: Path, gpu: HeldGpu | None = None) -> None:
        self.folder = folder
        self.networks = OpenNetworks(folder, gpu=gpu)
        self.turn = Turn()
        """Held by whoever looks into a network's layers, or moves it to another device."""
        self._recent = {kind: Recent(most) for kind, most in (_LIMITS | _CAPTION_LIMITS | _FEATURE_LIMITS).items()}

    @property
    def store(self) -> Store:
        """The store of runs."""
        return Store(self.folder)

    def recent(self, kind: str, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made if it was not used lately."""
        return self._recent[kind].get(key, make)

    def network(
        self, reference: str, progress: Progress = silent, image_size: tuple[int, int] | None = None
    ) -> tuple[str, Network]:
        """The network, and its reference with the checkpoint that it means now; set to pictures of `image_size`
        (height, width) if one is asked for. Raises UserError if there is none, or if it cannot take that size."""
        return self.networks.open(reference, progress, image_size)

    def captioner(self, named: str, opened: Callable[[], OpenedCaptioner]) -> OpenedCaptioner:
        """A captioner, on the GPU while that can be had."""
        captioner = self.recent("captioner", reference_key(named), opened)
        if self.networks.gpu is not None:
            move(captioner, self.networks.gpu.device())
        return captioner

    def leave_gpu(self) -> None:
        """Frees the GPU: networks and captioners stay, in main memory; pictures encoded on it are forgotten."""
        gpu = self.networks.gpu
        if gpu is None or gpu.held is None:
            return
        for captioner in self._recent["captioner"].values():
            move(cast(OpenedCaptioner, captioner), CPU)
        self._recent["encoded"].clear()
        self.networks.leave_gpu()

    def yield_gpu(self) -> None:
        """Frees the GPU if a run waits for one."""
        gpu = self.networks.gpu
        if gpu is not None and gpu.held is not None and gpu.is_wanted():
            self.leave_gpu()

    def before(self, reference: str, progress: Progress = silent, image_size: tuple[int, int] | None = None) -> Network:
        """What a run started from. Raises UserError where that cannot be had."""

        def made() -> Network:
            network = network_before(reference, self.store, progress)
            return network if image_size is None else at_image_size(network, image_size)

        return self.recent("before", (reference, image_size), made)

    def title(self, reference: str) -> str:
        """A network as figures name it: of a run its name and step, else the reference's last part."""
        run_id, _, step = reference.partition("@")
        try:
            run = self.store.find(run_id)
        except UserError:
            return Path(reference).name or reference
        name = run.recipe().name or run.id
        return f"{name}, step {int(step):,}" if step.isdigit() else name

    def weights_hash(self, network: Network | OpenedCaptioner) -> str:
        """The hash of a network's weights."""
        return self.recent("hash", module_key(network.module), lambda: network.weights_hash)

    def file_hash(self, file: str) -> str:
        """The hash of a file's bytes. Raises UserError if it cannot be read."""
        return self.recent("hash", ("file", *file_key(file)), lambda: file_hash(file))

    def forget(self) -> None:
        """Forgets networks and values, and frees the GPU."""
        for recent in self._recent.values():
            recent.clear()
        self.networks.give_back()
