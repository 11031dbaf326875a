"""Networks built for a recipe, or opened with their weights, whatever names them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from vitbench.errors import NoSuchRun, UserError
from vitbench.model_sources import SOURCES
from vitbench.models import timm_networks
from vitbench.models.adaptation import HEAD_INITS, freeze, input_size, set_head, set_image_size
from vitbench.models.bounded import bound_of_weights, bounded
from vitbench.models.description import (
    FILE_NAME,
    WEIGHTS_NAME,
    NetworkDescription,
    read_network_json,
)
from vitbench.models.hugging_face_folder import is_saved_network, read_saved_network
from vitbench.models.named import NamedNetwork, find_network
from vitbench.models.opened import Network as Network
from vitbench.models.opened import weights_hash as weights_hash
from vitbench.models.options_of_weights import head_options
from vitbench.models.state_dicts import fitted
from vitbench.models.weight_files import SUFFIXES, mismatch, read_weights
from vitbench.models.weight_folders import holds_weights, snapshot_of, what_else
from vitbench.nearest import nearest, perhaps_path
from vitbench.paths import expanded, shipped_weights
from vitbench.progress import Progress, silent
from vitbench.recipe_tables import ModelTable
from vitbench.runs.store import Store, is_path_of_run
from vitbench.text import clean

DEMO = "demo"
RANDOM = "random"

_NOT_OPTIONS = {
    "img_size": "set model.image_size",
    "num_classes": "set model.num_classes",
    "pretrained": "set model.pretrained",
    "drop_rate": "set model.drop_rate",
    "drop_path_rate": "set model.drop_path_rate",
    **dict.fromkeys(("model_name", "name"), "set model.name"),
    **dict.fromkeys(
        ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "state", "file"), "set model.weights"
    ),
    **dict.fromkeys(("size", "trained_size"), "set model.image_size"),
    "in_chans": "set model.in_chans",
    **dict.fromkeys(("where", "cache_dir", "features_only", "device", "dtype"), "it is decided elsewhere"),
}
"""Arguments of `create_model` that have a key of their own, or no place in a recipe."""


def build_network(
    model: ModelTable, *, num_classes: int, labels: Sequence[str] | None = None, progress: Progress = silent
) -> Network:
    """The network that a recipe's `[model]` asks for, with a head of `num_classes`, frozen as asked, in training mode.

    `pretrained` finds or downloads published weights, `weights` reads a file; with neither it starts random, except
    `demo`, which is the package's trained classifier. A head of another class count is replaced by a new one; the
    option `head` ("timm", "zero", "default") asks for a new one anyway, and says how it starts.
    Raises UserError with one sentence for what does not fit.
    """
    options = dict(model.options)
    head_init = options.pop("head", None)
    if head_init not in (None, *HEAD_INITS):
        raise UserError(f"model.options.head is {head_init!r}; allowed are {', '.join(HEAD_INITS)}.")
    if taken := options.keys() & _NOT_OPTIONS:
        raise UserError(f"model.options.{min(taken)} is not an option: {_NOT_OPTIONS[min(taken)]}.")
    # Zero is timm's default, and some families take no argument for it.
    options |= {key: rate for key in ("drop_rate", "drop_path_rate") if (rate := getattr(model, key))}
    if model.in_chans != 3:
        if model.name == DEMO or model.name.startswith("pretrained_vit:"):
            raise UserError(f"{model.name} sees colours: model.in_chans = 1 is for networks of timm.")
        options["in_chans"] = model.in_chans
    size = _size(model.image_size)
    network = _started(model, size, num_classes, options, progress)
    if head_init is not None or network.num_classes != num_classes:
        starts_at_zero = network.architecture.startswith("pretrained_vit:")
        set_head(network.module, num_classes, head_init or ("zero" if starts_at_zero else "timm"))
        network.labels = None
        network.untrained = True
    if model.in_chans == 1:
        network.source += " It sees grey: pictures lose their colours before its first layer."
    network.labels = network.labels if labels is None else tuple(labels)
    freeze(network.module, model.freeze)
    network.module.train()
    return network


def _started(
    model: ModelTable, size: tuple[int, int] | None, num_classes: int, options: dict[str, object], progress: Progress
) -> Network:
    """The network with the weights that the recipe starts from, and the head that came with them."""
    if model.name == DEMO:
        network = _demo(options)
        if size is not None:
            set_image_size(network.module, size, DEMO)
            network.preprocessing = replace(network.preprocessing, height=size[0], width=size[1])
        return network
    named = find_network(model.name)
    if model.weights:
        network = _from_file(named, expanded(model.weights), size, options)
        if model.pretrained:
            network.source += " They were taken instead of the published ones, which model.pretrained asks for."
    elif model.pretrained:
        network = _published(named, size, options, progress)
    else:
        network = _fresh(named, size, num_classes, options)
    network.name = model.name
    return network


def open_network(reference: str, store: Store | None = None, progress: Progress = silent) -> Network:
    """The network that `reference` names, with its weights, in eval mode on the CPU.

    `reference` is `demo`; a run or the path of its folder, with `@last`, `@STEP` or `@best` (the default); `timm:NAME`,
    `pretrained_vit:NAME` or a bare timm name with its published weights, `NAME@FILE` with those of a file,
    `NAME@random` with fresh ones; or the path of a checkpoint folder. Raises UserError if it names nothing, or if its
    weights are not to be had.
    """
    path = expanded(reference)
    name, _, which = reference.partition("@")
    if reference == DEMO:
        network = _demo({})
    elif is_path_of_run(name):
        network = _of_run(name, which, store or Store(expanded(name).resolve().parent.parent))
    elif path.is_dir():
        network = _of_folder(path)
    elif path.is_file():
        network = _described_file(path)
    elif name.partition(":")[0] in SOURCES or timm_networks.is_known(name):
        network = _by_name(name, which, progress)
    elif path.suffix in SUFFIXES:
        raise UserError(f"There is no weight file {path}{perhaps_path(path)}.")
    elif store is not None:
        network = _of_run(name, which, store)
    else:
        network = _by_name(name, which, progress)
    network.module.eval()
    return network


def open_checkpoint(folder: Path) -> Network:
    """The network of a checkpoint folder (`network.json`, `model.safetensors`). UserError if it is not whole."""
    return _described(read_network_json(folder / FILE_NAME), folder / WEIGHTS_NAME)


def rebuild(description: NetworkDescription) -> nn.Module:
    """The described network with fresh weights, at its size, with its head. UserError if it cannot be made."""
    named = find_network(description.architecture)
    return named.fresh(description.image_size, description.num_classes, description.options)


def _by_name(name: str, which: str, progress: Progress) -> Network:
    named = find_network(name)
    if which == RANDOM:
        return _fresh(named, None, None, {})
    if which:
        return _from_file(named, expanded(which), None, {})
    return _published(named, None, {}, progress)


def _described_file(file: Path) -> Network:
    """A weight file with its description beside it, under its own name or in its checkpoint folder.

    An ONNX file cannot be looked into: the weights that `vitbench export` writes beside it are opened.
    """
    if file.suffix == ".onnx" and (file.parent / FILE_NAME).is_file():
        return open_checkpoint(file.parent)
    for description in (file.with_suffix(".json"), file.with_name(FILE_NAME)):
        if description.is_file():
            return _described(read_network_json(description), file)
    raise UserError(f"{file} does not say which network it belongs to; open it as timm:NAME@{file}.")


def _of_run(text: str, which: str, store: Store) -> Network:
    try:
        run = store.find(text)
    except NoSuchRun:
        raise UserError(_unknown(text, store)) from None
    entry = run.checkpoint(which or "best")
    network = open_checkpoint(entry.folder)
    network.tag = f"{run.id}@{entry.step}"
    network.source = f"The weights are those of run {run.id} after step {entry.step:,}."
    return network


def _unknown(text: str, store: Store) -> str:
    """That neither a network nor a run is called so, with the nearest of both."""
    kind, colon, name = text.partition(":")
    if colon and (source := nearest(kind, SOURCES)) is not None:
        near: str | None = f"{source}:{name}"
    else:
        published = (f"timm:{close}" for close in timm_networks.close_names(name or text))
        near = nearest(text, [DEMO, *store.names()]) or next(published, None)
    hint = f", perhaps you mean {clean(near)}" if near is not None else ""
    return (
        f"There is no network and no run {clean(text)!r}{hint}; `vitbench models` lists networks, `vitbench runs` runs."
    )


def _demo(options: dict[str, object]) -> Network:
    """The package's own classifier; `options` are added to those it was trained with."""
    weights = shipped_weights() / "classifier.safetensors"
    if not weights.exists():
        raise UserError(
            f"The package's trained classifier is missing ({weights}); `make weights` trains it, or name a network such"
            " as timm:vit_tiny_patch16_224."
        )
    description = read_network_json(weights.with_suffix(".json"))
    network = _described(description.model_copy(update={"options": description.options | options}), weights)
    network.name = network.tag = DEMO
    network.source = "The weights are those that come with vitbench, trained on Scenes."
    return network


def _described(description: NetworkDescription, weights: Path) -> Network:
    state = read_weights(weights)
    with bounded(bound_of_weights(state, str(weights))):
        module = rebuild(description)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{weights} does not fit the network described beside it: {mismatch(error)}") from error
    return Network(
        module=module,
        name=description.name,
        tag=description.tag,
        preprocessing=description.picture_preparation(),
        labels=description.labels,
        source=description.source,
        architecture=description.architecture,
        options=dict(description.options),
        multilabel=description.multilabel,
    )


def _fresh(
    named: NamedNetwork, size: tuple[int, int] | None, num_classes: int | None, options: dict[str, object]
) -> Network:
    module = named.fresh(size, num_classes, options)
    source = "The weights are random: nothing has been learned yet."
    network = _network(named, module, size, options, RANDOM, source)
    network.untrained = True
    return network


def _published(
    named: NamedNetwork, size: tuple[int, int] | None, options: dict[str, object], progress: Progress
) -> Network:
    module = named.published(size, options, progress)
    tag, source = named.source.origin(named.name, module)
    network = _network(named, module, size, options, tag, source)
    network.labels = timm_networks.published_labels(network.num_classes)
    return network


def _from_file(named: NamedNetwork, file: Path, size: tuple[int, int] | None, options: dict[str, object]) -> Network:
    found = named.from_file(file, size, options)
    source = " ".join((f"The weights come from the file {file.name}.", *found.notes))
    shown = size or input_size(found.module)[0]
    network = _network(named, found.module, shown, found.options, file.stem, source)
    network.labels = timm_networks.published_labels(network.num_classes)
    if network.labels:
        network.source += f" Its {network.num_classes:,} classes are taken to be ImageNet's."
    return network


def _of_folder(folder: Path) -> Network:
    """A checkpoint folder of ours, or a network saved by transformers, timm or open_clip."""
    folder = snapshot_of(folder)
    if (folder / FILE_NAME).exists() or not is_saved_network(folder):
        if not (folder / FILE_NAME).exists() and (other := what_else(folder)):
            raise UserError(f"{folder} {other}")
        if not (folder / FILE_NAME).exists() and holds_weights(folder):
            raise UserError(
                f"{folder} holds weights, but network.json is missing, and a config.json that says of which network"
                f" they are, too: name it with them, as timm:vit_small_patch16_224@{folder}."
            )
        return open_checkpoint(folder)
    saved = read_saved_network(folder)
    named = find_network(f"timm:{saved.architecture}")
    options = saved.options | head_options(saved.state.tensors)
    with bounded(bound_of_weights(saved.state.tensors, str(folder))):
        wanted = timm_networks.shapes(saved.architecture, saved.image_size, options)
    state = fitted(saved.state, wanted)
    size = (saved.preprocessing.height, saved.preprocessing.width)
    with bounded(bound_of_weights(saved.state.tensors, str(folder))):
        module = named.with_weights(state, str(folder), size, saved.image_size, options)
    source = " ".join((f"The weights are those in the folder {folder.name}.", *state.notes, *saved.notes))
    network = _network(named, module, size, options, folder.name, source)
    network.name = str(folder)
    network.preprocessing = saved.preprocessing
    network.labels = saved.labels if saved.labels and len(saved.labels) == network.num_classes else None
    return network


def _network(
    named: NamedNetwork,
    module: nn.Module,
    size: tuple[int, int] | None,
    options: dict[str, object],
    tag: str,
    source: str,
) -> Network:
    return Network(
        module=module,
        name=str(named),
        tag=tag,
        preprocessing=named.preprocessing(module, size),
        labels=None,
        source=source,
        architecture=str(named),
        options=options,
    )


def _size(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width) of a recipe's `image_size`: the side of a square, [height, width], or None."""
    if value is None or isinstance(value, int):
        return None if value is None else (value, value)
    height, width = value
    return height, width
