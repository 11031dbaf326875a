"""A network with everything that belongs to it, from either door, from a file, or from a run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file, get_dir

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models import pretrained_vit, timm_networks
from vitbench.models.adaptation import check_image_size, freeze, set_head, set_image_size
from vitbench.models.backbone import Backbone
from vitbench.models.description import (
    FILE_NAME,
    WEIGHTS_NAME,
    NetworkDescription,
    read_network_json,
    write_network_json,
)
from vitbench.models.weight_files import SUFFIXES, read_weights
from vitbench.places import shipped_weights
from vitbench.progress import Progress, silent

DOORS = ("timm", "pretrained_vit")
DEMO = "demo"
RANDOM = "random"


class ModelTable(Protocol):
    """The table `[model]` of a recipe, as far as it says which network to build."""

    @property
    def name(self) -> str: ...
    @property
    def pretrained(self) -> bool: ...
    @property
    def weights(self) -> str | None: ...
    @property
    def image_size(self) -> int | Sequence[int] | None: ...
    @property
    def freeze(self) -> str | int: ...
    @property
    def drop_rate(self) -> float: ...
    @property
    def drop_path_rate(self) -> float: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


class Checkpoints(Protocol):
    """What opening a run needs of it."""

    @property
    def id(self) -> str: ...
    def checkpoint(self, which: Any) -> Any: ...


class RunStore(Protocol):
    """What opening a run needs of the store."""

    def find(self, text: str) -> Any: ...


@dataclass
class Network:
    """A timm module, how its pictures are prepared, what its classes are called, and where its weights came from."""

    module: nn.Module
    name: str
    """As in the recipe or on the command line."""
    tag: str
    """Which weights: timm's pretrained tag, "random", "demo", a file's name, or a run's id and step."""
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    source: str
    """One sentence: where the weights came from."""
    architecture: str
    """`timm:NAME` or `pretrained_vit:NAME`: with `options`, what builds the module again."""
    options: dict[str, Any] = field(default_factory=dict)
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0

    @property
    def backbone(self) -> Backbone:
        return Backbone(self.module)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the pictures it is set to."""
        return self.preprocessing.height, self.preprocessing.width

    @property
    def num_classes(self) -> int:
        return int(self.module.num_classes)  # type: ignore[arg-type]

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits (SHA-256) that change with any weight. Reads all weights: a second for 300 MB."""
        return weights_hash(self.module)

    def describe(self) -> NetworkDescription:
        """What `network.json` holds."""
        return NetworkDescription(
            name=self.name,
            architecture=self.architecture,
            tag=self.tag,
            source=self.source,
            num_classes=self.num_classes,
            image_size=self.image_size,
            options=self.options,
            drop_rate=self.drop_rate,
            drop_path_rate=self.drop_path_rate,
            labels=self.labels,
            preprocessing=self.preprocessing.to_dict(),
        )

    def write_network_json(self, folder: Path) -> None:
        """Writes `network.json` into a checkpoint folder."""
        write_network_json(self.describe(), folder / FILE_NAME)


def weights_hash(module: nn.Module) -> str:
    """16 hexadecimal digits (SHA-256) over names, shapes and values of the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def build_network(
    model: ModelTable,
    *,
    num_classes: int,
    labels: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Network:
    """The network that a recipe's `[model]` asks for, with a head of `num_classes`, frozen as asked, in training mode.

    `pretrained` downloads (or finds) published weights, `weights` reads a file; with neither it starts random, except
    `demo`, which is the package's trained classifier. A head of another class count is replaced by a new one.
    Raises UserError with one sentence for each thing that does not fit.
    """
    size = image_size(model.image_size)
    options = dict(model.options)
    head_init: Any = options.pop("head", None)
    if head_init not in (None, "timm", "zero", "default"):
        raise UserError(f'model.options.head is {head_init!r}; allowed are "timm", "zero" and "default".')
    if model.name == DEMO:
        network = _demo()
    else:
        door, name = split_name(model.name)
        arguments = _dropouts(model) | options
        if model.weights:
            network = _from_file(door, name, Path(model.weights).expanduser(), size, arguments)
        elif model.pretrained:
            network = _published(door, name, size, arguments, progress)
        else:
            network = _fresh(door, name, size, num_classes, arguments)
        network.options = options
        network.drop_rate, network.drop_path_rate = model.drop_rate, model.drop_path_rate
    network.name = model.name
    if size is not None:
        _resize(network, size)
    keeps_head = network.num_classes == num_classes and head_init is None and network.tag != RANDOM
    if not keeps_head:
        default = "zero" if network.architecture.startswith("pretrained_vit:") else "timm"
        set_head(network.module, num_classes, head_init or default)
        network.labels = None
    if labels is not None:
        network.labels = tuple(labels)
    freeze(network.module, model.freeze)
    network.module.train()
    return network


def open_network(reference: str, store: RunStore | None = None, progress: Progress = silent) -> Network:
    """The network that `reference` names, with its weights, in eval mode on the CPU.

    `reference` is `demo`; a run with `@last`, `@best` or `@STEP`; `timm:NAME`, `pretrained_vit:NAME` or a bare timm
    name with its published weights, `NAME@FILE` with those of a file, or `NAME@random` with fresh ones; or the path of
    a checkpoint folder. Raises UserError if it names nothing, or if its weights are not to be had.
    """
    network = _opened(reference, store, progress)
    network.module.eval()
    return network


def _opened(reference: str, store: RunStore | None, progress: Progress) -> Network:
    if reference == DEMO:
        return _demo()
    door, _, _ = reference.partition(":")
    if door in DOORS:
        return _opened_by_name(reference, progress)
    path = Path(reference).expanduser()
    if path.is_dir() or path.name == WEIGHTS_NAME:
        return open_checkpoint(path if path.is_dir() else path.parent)
    if path.suffix in SUFFIXES and (path.exists() or "/" in reference) and "@" not in reference:
        return _opened_file(path)
    bare, _, _ = reference.partition("@")
    if not _is_timm_name(bare) and store is not None:
        return _opened_run(reference, store)
    return _opened_by_name(f"timm:{reference}", progress)


def _opened_by_name(reference: str, progress: Progress) -> Network:
    full, _, which = reference.partition("@")
    door, name = split_name(full)
    if which == RANDOM:
        network = _fresh(door, name, None, None, {})
    elif which:
        network = _from_file(door, name, Path(which).expanduser(), None, {})
    else:
        network = _published(door, name, None, {}, progress)
    network.name = full
    return network


def _opened_file(path: Path) -> Network:
    """A weight file by itself: one with `NAME.json` beside it is a described network, as the shipped weights are."""
    described = path.with_suffix(".json")
    if described.exists():
        return _described(read_network_json(described), path)
    if not path.exists():
        raise UserError(f"There is no weight file {path}.")
    raise UserError(f"{path} does not say which network it belongs to; open it as timm:NAME@{path}.")


def _opened_run(reference: str, store: RunStore) -> Network:
    text, _, which = reference.partition("@")
    run = store.find(text)
    entry = run.checkpoint(int(which) if which.isdigit() else which or "best")
    network = open_checkpoint(Path(entry.folder))
    network.tag = f"{run.id}@{entry.step}"
    network.source = f"The weights are those of run {run.id} after step {entry.step}."
    return network


def open_checkpoint(folder: Path) -> Network:
    """The network of a checkpoint folder (`network.json`, `model.safetensors`). UserError if it is not whole."""
    return _described(read_network_json(folder / FILE_NAME), folder / WEIGHTS_NAME)


def rebuild(description: NetworkDescription) -> nn.Module:
    """The described network with fresh weights, at its size, with its head. UserError if it cannot be made."""
    door, name = split_name(description.architecture)
    arguments = {"drop_rate": description.drop_rate, "drop_path_rate": description.drop_path_rate} | description.options
    arguments = {key: value for key, value in arguments.items() if value}
    return _fresh(door, name, description.image_size, description.num_classes, arguments).module


def _described(description: NetworkDescription, weights: Path) -> Network:
    module = rebuild(description)
    try:
        module.load_state_dict(read_weights(weights))
    except RuntimeError as error:
        raise UserError(
            f"{weights} does not fit the network described beside it: {timm_networks.mismatch(str(error))}"
        ) from error
    return Network(
        module=module,
        name=description.name,
        tag=description.tag,
        preprocessing=description.picture_preparation(),
        labels=description.labels,
        source=description.source,
        architecture=description.architecture,
        options=dict(description.options),
        drop_rate=description.drop_rate,
        drop_path_rate=description.drop_path_rate,
    )


def _demo() -> Network:
    weights = shipped_weights() / "classifier.safetensors"
    if not weights.exists():
        raise UserError(
            f"The package's trained classifier is missing ({weights}); `make weights` trains it, or name a network such"
            " as timm:vit_tiny_patch16_224."
        )
    return _described(read_network_json(weights.with_suffix(".json")), weights)


def split_name(name: str) -> tuple[str, str]:
    """Door and name of `timm:NAME`, `pretrained_vit:NAME` or a bare timm name. UserError for another door."""
    door, colon, rest = name.partition(":")
    if not colon:
        return "timm", name
    if door not in DOORS or not rest:
        raise UserError(f"model.name is {name!r}; allowed are timm:NAME, pretrained_vit:NAME and demo.")
    return door, rest


def image_size(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width) of a recipe's `image_size`: one side of a square, [height, width], or None."""
    if value is None:
        return None
    sides = (value, value) if isinstance(value, int) else tuple(value)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise UserError(f"model.image_size is {value!r}; allowed are a number of pixels or [height, width].")
    return sides[0], sides[1]


def _dropouts(model: ModelTable) -> dict[str, float]:
    """The dropouts that are asked for. Zero is timm's default, and some families take no argument for it."""
    rates = {"drop_rate": model.drop_rate, "drop_path_rate": model.drop_path_rate}
    return {name: rate for name, rate in rates.items() if rate}


def _fresh(
    door: str, name: str, size: tuple[int, int] | None, num_classes: int | None, options: Mapping[str, Any]
) -> Network:
    if door == "timm":
        module = timm_networks.create(name, size=size, num_classes=num_classes, **options)
        preprocessing = timm_networks.preprocessing(module, size)
    else:
        classes = pretrained_vit.configuration(name)["num_classes"] if num_classes is None else num_classes
        module = pretrained_vit.create(
            name, size=size or pretrained_vit.image_size(name), num_classes=classes, **options
        )
        preprocessing = pretrained_vit.preprocessing(name, size)
    if size is not None:
        check_image_size(module, size, name)
    return Network(
        module=module,
        name=f"{door}:{name}",
        tag=RANDOM,
        preprocessing=preprocessing,
        labels=None,
        source="The weights are random: nothing has been learned yet.",
        architecture=f"{door}:{name}",
    )


def _published(
    door: str, name: str, size: tuple[int, int] | None, options: Mapping[str, Any], progress: Progress
) -> Network:
    if door == "pretrained_vit":
        file = _downloaded(pretrained_vit.address(name), f"pretrained_vit:{name}", progress)
        network = _from_file(door, name, file, size, options)
        network.tag = name
        network.source = f"The weights are those that pytorch_pretrained_vit published as {name}."
    else:
        state = timm_networks.published_weights(name, progress)
        module: Any = timm_networks.create_with_weights(
            name, state, where=f"timm's {name}", size=size, num_classes=None, **options
        )
        tag = str(module.pretrained_cfg.get("tag") or "untagged")
        network = Network(
            module=module,
            name=f"timm:{name}",
            tag=tag,
            preprocessing=timm_networks.preprocessing(module, size),
            labels=None,
            source=f"The weights are those that timm publishes for {name.partition('.')[0]} under the tag {tag}.",
            architecture=f"timm:{name}",
        )
    network.labels = timm_networks.published_labels(network.num_classes)
    return network


def _from_file(door: str, name: str, path: Path, size: tuple[int, int] | None, options: Mapping[str, Any]) -> Network:
    """The network with the weights of a file, at the size and class count that the file has."""
    network: Network
    if path.suffix == ".npz":
        if not path.is_file():
            raise UserError(f"There is no weight file {path}.")
        target = name if door == "timm" else pretrained_vit.architecture(name)
        module = timm_networks.create_from_npz(target, path, size=size, num_classes=None, **options)
        network = _fresh(door, name, size, None, options) if door != "timm" else _around(door, name, module, size)
        network.module.load_state_dict(module.state_dict())
    else:
        state = read_weights(path)
        if pretrained_vit.is_pretrained_vit_state(state):
            state = pretrained_vit.to_timm_state(state)
        if door == "timm":
            module = timm_networks.create_with_weights(
                name, state, where=str(path), size=size, num_classes=None, **options
            )
            network = _around(door, name, module, size)
        else:
            network = _pretrained_vit_with(state, name, str(path), size, options)
    network.tag = path.stem
    network.source = f"The weights come from the file {path.name}."
    return network


def _around(door: str, name: str, module: nn.Module, size: tuple[int, int] | None) -> Network:
    preprocessing = timm_networks.preprocessing(module, size)
    return Network(module, f"{door}:{name}", "", preprocessing, None, "", f"{door}:{name}")


def _pretrained_vit_with(
    state: Mapping[str, Tensor], name: str, where: str, size: tuple[int, int] | None, options: Mapping[str, Any]
) -> Network:
    """The network of `name`, made as large as the weights are, loaded strictly, then set to `size`."""
    trained_size = _trained_size(state, name, size)
    head = state.get("head.weight")
    network = _fresh("pretrained_vit", name, trained_size, 0 if head is None else int(head.shape[0]), options)
    try:
        network.module.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{where} does not fit pretrained_vit:{name}: {timm_networks.mismatch(str(error))}") from error
    if size is not None:
        _resize(network, size)
    return network


def _trained_size(state: Mapping[str, Tensor], name: str, asked: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) that the position embeddings belong to: the published size, the one asked for, or a square."""
    patch_height, patch_width = pretrained_vit.configuration(name)["config"]["patches"]
    positions = state.get("pos_embed")
    published = pretrained_vit.image_size(name)
    if positions is None:
        return published
    count = int(positions.shape[1]) - 1
    side = round(count**0.5)
    square = side * patch_height, side * patch_width
    for height, width in filter(None, (published, asked, square)):
        if (height // patch_height) * (width // patch_width) == count:
            return height, width
    raise UserError(
        f"The weights have {count} position embeddings, which fit neither {published[0]}x{published[1]} nor a square;"
        " set model.image_size to the size that they were trained at."
    )


def _resize(network: Network, size: tuple[int, int]) -> None:
    from dataclasses import replace

    set_image_size(network.module, size, network.name)
    network.preprocessing = replace(network.preprocessing, height=size[0], width=size[1])


def _downloaded(url: str, reference: str, progress: Progress) -> Path:
    """The file behind `url` in torch's cache of weights, fetched if it is not there. UserError without a network."""
    from urllib.parse import urlsplit

    file = Path(get_dir()) / "checkpoints" / Path(urlsplit(url).path).name
    if file.exists():
        return file
    timm_networks.check_reachable(urlsplit(url).hostname or "", reference)
    progress(0, 0, f"downloading {url}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(url, str(file), progress=False)
    except OSError as error:
        raise timm_networks.no_network(reference) from error
    return file


def _is_timm_name(name: str) -> bool:
    try:
        timm_networks.check_name(name)
    except UserError:
        return False
    return True
