"""A network by its name, `SOURCE:NAME`: fresh, published, or with the weights of a file."""

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
from vitbench.model_sources import SOURCES
from vitbench.model_sources.base import Size, Source
from vitbench.models import timm_networks
from vitbench.models.adaptation import check_image_size
from vitbench.models.description import FILE_NAME, read_network_json
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.hub import check_reachable, no_network
from vitbench.models.jax_files import read_jax_file
from vitbench.models.no_networks import check_patches
from vitbench.models.options_of_weights import asked_options
from vitbench.models.state_dicts import StateDict, few, fitted
from vitbench.models.weight_files import DAMAGED, check_weight_file, first_line, has_names_of_torch, read_state_dict
from vitbench.models.weight_folders import read_weights_of, snapshot_of
from vitbench.progress import Progress

_POSITIONS = ("pos_embed", "relative_position_bias_table")
"""How the names of weights end whose number depends on the picture size."""


@dataclass(frozen=True)
class NamedNetwork:
    """One network by its name; each method makes it anew. `options` are further arguments of `timm.create_model`."""

    kind: str
    """The name of its source."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def source(self) -> Source:
        """What its source computes."""
        return SOURCES[self.kind].source()

    def fresh(self, size: Size | None, num_classes: int | None, options: Mapping[str, Any]) -> nn.Module:
        """The network with fresh weights; `size` and `num_classes` None for its own. UserError if it cannot be made."""
        module = self.source.create(self.name, size=size, num_classes=num_classes, options=options)
        if size is not None:
            check_image_size(module, size, str(self))
        return module

    def published(self, size: Size | None, options: Mapping[str, Any], progress: Progress) -> nn.Module:
        """The network with its published weights, set to `size`. UserError if they are not to be had."""
        url = self.source.weights_url(self.name)
        if url is not None:
            return self.from_file(downloaded(url, str(self), progress), size, options).module
        return self.source.published(self.name, size=size, options=options, progress=progress)

    def from_file(self, file: Path, size: Size | None, options: Mapping[str, Any]) -> "FromFile":
        """The network with the weights of `file`, or of a folder of pieces, with their own head, then set to `size`.

        The file may have the names of timm, pytorch_pretrained_vit, transformers or torchvision; a note says what was
        chosen in it and what was left out. Raises UserError naming what does not fit.
        """
        if file.suffix == ".npz" and not has_names_of_torch(file):
            return self._from_npz(file, size, options)
        wanted = timm_networks.shapes(self._architecture, None, options)
        state = read_weights_of(snapshot_of(file)) if file.is_dir() else read_state_dict(file)
        found = fitted(to_timm_names(state), wanted)
        check_patches(found.tensors, wanted, str(self), "patch_size" in options)
        asked, notes = asked_options(found.tensors, wanted, self.name)
        own = asked | dict(options)
        module = self.with_weights(found, str(file), size, _size_beside(file), own)
        if lost := timm_networks.left_behind(module, found.tensors):
            notes.append(f"Left out, since {self.name} has no place for it: {few(lost)}.")
        return FromFile(module, own, (*found.notes, *notes))

    def with_weights(
        self, found: StateDict, where: str, size: Size | None, trained_size: Size | None, options: Mapping[str, Any]
    ) -> nn.Module:
        """The network with `found`, under timm's names, trained at `trained_size` (found out if None), set to `size`.

        `where` names the weights in a message. Raises UserError naming what does not fit.
        """
        state = found.tensors
        trained_size = trained_size or self._trained_size(state, size, options)
        return self.source.load(self.name, state, where=where, size=size, trained_size=trained_size, options=options)

    def preprocessing(self, module: nn.Module, size: Size | None) -> Preprocessing:
        """How the authors of `module` prepare pictures, at `size` or the network's own."""
        return self.source.preprocessing(self.name, module, size)

    def _from_npz(self, file: Path, size: Size | None, options: Mapping[str, Any]) -> "FromFile":
        """An original JAX release (AugReg, big_vision), converted by timm, with its own head or none."""
        check_weight_file(file)
        held = read_jax_file(file)
        module: Any = self.fresh(size, held.classes, options)
        if not hasattr(module, "load_pretrained"):
            raise UserError(f"{self} cannot read {file}: timm converts .npz only for networks that came from JAX.")
        notes = held.check(module, str(self), options)
        try:
            module.load_pretrained(str(file))
        except DAMAGED as error:
            raise UserError(f"{file} does not fit {self} ({first_line(error)}).") from error
        return FromFile(module, dict(options), (*held.notes, *notes))

    def _trained_size(self, state: Mapping[str, Tensor], asked: Size | None, options: Mapping[str, Any]) -> Size | None:
        """The picture size that the positions in `state` belong to; None for the network's own, or without positions.

        A file does not say the shape of its grid: the network's own comes first, then the one asked for, then a square.
        """
        positions = {key: tuple(tensor.shape) for key, tensor in state.items() if key.endswith(_POSITIONS)}
        if not positions:
            return None
        own = self.source.own_size(self.name)
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
        return self.source.architecture(self.name)


@dataclass(frozen=True)
class FromFile:
    """A network with the weights of a file."""

    module: nn.Module
    options: dict[str, Any]
    """Those that were given, and those that the weights themselves ask for."""
    notes: tuple[str, ...]
    """What was chosen in the file, and what was left out."""


def find_network(reference: str) -> NamedNetwork:
    """The network `SOURCE:NAME`, or of a bare timm name. Raises UserError if there is no such network."""
    kind, colon, name = reference.partition(":")
    if not colon:
        kind, name = "timm", reference
    if kind not in SOURCES or not name:
        allowed = ", ".join(f"{source}:NAME" for source in SOURCES)
        raise UserError(f"There is no network {reference!r}; allowed are {allowed} and demo.")
    found = NamedNetwork(kind, name)
    found.source.check(name)
    return found


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
