"""The two doors that networks come through, `timm:NAME` and `pretrained_vit:NAME`, asked in the same words."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models import pretrained_vit, timm_networks
from vitbench.models.adaptation import check_image_size, set_image_size
from vitbench.models.description import FILE_NAME, read_network_json
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.hub import check_reachable, no_network
from vitbench.models.state_dicts import StateDict, fitted
from vitbench.models.weight_files import DAMAGED, check_weight_file, first_line, mismatch, read_state_dict
from vitbench.progress import Progress

DOORS = ("timm", "pretrained_vit")

_POSITIONS = ("pos_embed", "relative_position_bias_table")
"""How the names of weights end whose number depends on the picture size."""

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Door:
    """One network by its name; each method makes it anew. `options` are further arguments of `timm.create_model`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def fresh(self, size: Size | None, num_classes: int | None, options: Mapping[str, Any]) -> nn.Module:
        """The network with fresh weights; `size` and `num_classes` None for its own. UserError if it cannot be made."""
        if self.kind == "timm":
            module = timm_networks.create(self.name, size=size, num_classes=num_classes, **options)
        else:
            module = pretrained_vit.create(self.name, size=size, num_classes=num_classes, **options)
        if size is not None:
            check_image_size(module, size, str(self))
        return module

    def published(self, size: Size | None, options: Mapping[str, Any], progress: Progress) -> nn.Module:
        """The network with its published weights, set to `size`. UserError if they are not to be had."""
        if self.kind == "pretrained_vit":
            file = downloaded(pretrained_vit.address(self.name), str(self), progress)
            return self.from_file(file, size, options)[0]
        state = timm_networks.published_weights(self.name, progress)
        return timm_networks.create_with_weights(self.name, state, where=f"timm's {self.name}", size=size, **options)

    def from_file(self, file: Path, size: Size | None, options: Mapping[str, Any]) -> tuple[nn.Module, tuple[str, ...]]:
        """The network with the weights of `file`, whole, with their own head, then set to `size`; and the notes.

        The file may have the names of timm, pytorch_pretrained_vit, transformers or torchvision; a note says what was
        chosen in it and what was left out. Raises UserError naming what does not fit.
        """
        if file.suffix == ".npz":
            return self._from_npz(file, size, options), ()
        wanted = timm_networks.shapes(self._architecture, None, options)
        found = fitted(to_timm_names(read_state_dict(file)), wanted)
        return self.with_weights(found, str(file), size, _size_beside(file), options), found.notes

    def with_weights(
        self, found: StateDict, where: str, size: Size | None, trained_size: Size | None, options: Mapping[str, Any]
    ) -> nn.Module:
        """The network with `found`, under timm's names, trained at `trained_size` (found out if None), set to `size`.

        `where` names the weights in a message. Raises UserError naming what does not fit.
        """
        state = found.tensors
        trained_size = trained_size or self._trained_size(state, size, options)
        if self.kind == "timm":
            return timm_networks.create_with_weights(
                self.name, state, where=where, size=size, trained_size=trained_size, **options
            )
        head = state.get("head.weight")
        module = self.fresh(trained_size, 0 if head is None else int(head.shape[0]), options)
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise UserError(f"{where} does not fit {self}: {mismatch(error)}") from error
        if size is not None:
            set_image_size(module, size, str(self))
        return module

    def preprocessing(self, module: nn.Module, size: Size | None) -> Preprocessing:
        """How the authors of `module` prepare pictures, at `size` or the network's own."""
        if self.kind == "timm":
            return timm_networks.preprocessing(module, size)
        return pretrained_vit.preprocessing(self.name, size)

    def _from_npz(self, file: Path, size: Size | None, options: Mapping[str, Any]) -> nn.Module:
        """An original JAX release (AugReg, big_vision), converted by timm; its head only if the classes are as many."""
        check_weight_file(file)
        module: Any = self.fresh(size, None, options)
        if not hasattr(module, "load_pretrained"):
            raise UserError(f"{self} cannot read {file}: timm converts .npz only for networks that came from JAX.")
        try:
            module.load_pretrained(str(file))
        except DAMAGED as error:
            raise UserError(f"{file} does not fit {self} ({first_line(error)}).") from error
        return module

    def _trained_size(self, state: Mapping[str, Tensor], asked: Size | None, options: Mapping[str, Any]) -> Size | None:
        """The picture size that the positions in `state` belong to; None for the network's own, or without positions.

        A file does not say the shape of its grid: the network's own comes first, then the one asked for, then a square.
        """
        positions = {key: tuple(tensor.shape) for key, tensor in state.items() if key.endswith(_POSITIONS)}
        if not positions:
            return None
        own = pretrained_vit.image_size(self.name) if self.kind == "pretrained_vit" else None
        if self._has(positions, own, options):
            return own
        if asked and self._has(positions, asked, options):
            return asked
        patch = timm_networks.patch_size(self._architecture, options)
        squares = [(side * patch[0], side * patch[1]) for side in _square_sides(positions)] if patch else []
        for square in squares:
            if self._has(positions, square, options):
                return square
        name, shape = next(iter(positions.items()))
        raise UserError(
            f"The weights do not fit {self}: their {name} is {'x'.join(map(str, shape))}, which belongs neither to"
            " pictures of the network's own size nor to square ones; set model.image_size to the size that they were"
            " trained at, and model.options if the network was changed."
        )

    def _has(self, positions: Mapping[str, tuple[int, ...]], size: Size | None, options: Mapping[str, Any]) -> bool:
        """Whether the network for pictures of `size` has positions of these shapes; widths are not compared."""
        shapes = timm_networks.shapes(self._architecture, size, options)
        return all(shapes[key][:-1] == shape[:-1] for key, shape in positions.items() if key in shapes)

    @property
    def _architecture(self) -> str:
        return self.name if self.kind == "timm" else pretrained_vit.architecture(self.name)


def find_door(reference: str) -> Door:
    """The door of `timm:NAME`, `pretrained_vit:NAME`, or a bare timm name. UserError if there is no such network."""
    kind, colon, name = reference.partition(":")
    if not colon:
        kind, name = "timm", reference
    if kind not in DOORS or not name:
        raise UserError(f"No network is called {reference!r}; allowed are timm:NAME, pretrained_vit:NAME and demo.")
    if kind == "timm":
        timm_networks.check_name(name)
    else:
        pretrained_vit.configuration(name)
    return Door(kind, name)


def _square_sides(positions: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Patches along one side of the square grids that so many positions can belong to.

    A grid of n x n has n^2 positions after the prefix tokens, or (2n - 1)^2 offsets, which BEiT follows by three.
    """
    name, shape = next(iter(positions.items()))
    count = shape[-2]
    if name.endswith("pos_embed"):
        return [root for prefix in range(17) if (root := isqrt(max(count - prefix, 0))) ** 2 == count - prefix and root]
    return [(isqrt(count - extra) + 1) // 2 for extra in (3, 0) if isqrt(max(count - extra, 0)) ** 2 == count - extra]


def _size_beside(file: Path) -> Size | None:
    """The picture size in the `network.json` of a checkpoint folder, if `file` lies in one."""
    described = file.with_name(FILE_NAME)
    return read_network_json(described).image_size if described.is_file() else None


def downloaded(url: str, reference: str, progress: Progress) -> Path:
    """The file behind `url` in torch's cache of weights, fetched if it is not there. UserError without a network."""
    parts = urlsplit(url)
    file = Path(get_dir()) / "checkpoints" / Path(parts.path).name
    if file.exists():
        return file
    check_reachable(parts.hostname or "", reference)
    progress(0, 0, f"downloading {url}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(file), progress=False)
    except OSError as error:
        raise no_network(reference) from error
    return file
