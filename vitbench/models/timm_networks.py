"""The door to timm: networks by name, with fresh weights, with published weights, or with those of a file."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import timm
import torch
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_data_config
from timm.models import get_deprecated_models, get_pretrained_cfg, is_model
from torch import Tensor, nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models.adaptation import set_image_size
from vitbench.models.backbone import Backbone
from vitbench.models.bounded import bound_of_machine, bounded, check_options
from vitbench.models.grey import see_grey
from vitbench.models.hub import cached_on_hub, check_reachable, hub_host, no_network
from vitbench.models.token_and_mean import TOKEN_AND_MEAN, read_token_and_mean
from vitbench.models.weight_files import first_line, mismatch, read_weights
from vitbench.progress import Progress, silent

_COMPUTED = re.compile(
    r"(attn_mask|relative_position_index|relative_coords_table|num_batches_tracked|periods|bias_mask|mask_token|"
    r"freqs_(cos|sin)|inv_freq|k_bias|position_ids)$"
)
"""Buffers that a network computes itself, and tokens of a training that stand for hidden patches."""
_LIST = "`vitbench models` lists those it has."


def check_name(name: str) -> None:
    """Raises UserError, with names close to it, if timm has no network `name` (with or without a tag)."""
    bare, _, tag = name.partition(".")
    if not is_model(bare) or bare in get_deprecated_models():
        renamed = get_deprecated_models().get(bare)
        near = [renamed] if renamed else timm.list_models(f"*{bare}*")[:5] or close_names(bare)
        raise UserError(f"timm has no network {name!r}; {'did you mean ' + ', '.join(near) + '?' if near else _LIST}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{bare}.*")]
    if tag and tag not in tags:
        raise UserError(f"timm has no weights {tag!r} for {bare}; it has {', '.join(tags) or 'none'}.")


def is_known(name: str) -> bool:
    """Whether timm has a network of this name, with or without a tag."""
    return is_model(name.partition(".")[0])


def close_names(name: str) -> list[str]:
    """timm's names that are spelt like this one, the nearest first."""
    return difflib.get_close_matches(name, timm.list_models(), n=4)


def create(name: str, *, size: tuple[int, int] | None, num_classes: int | None, **options: Any) -> nn.Module:
    """timm's network with fresh weights, for pictures of `size` (height, width; None for its own).

    `options` are further arguments of `timm.create_model`. Raises UserError if timm does not know the name or rejects
    an argument.
    """
    arguments: dict[str, Any] = dict(options)
    if num_classes is not None:
        arguments["num_classes"] = num_classes
    if size is not None and _takes_size(name):
        arguments["img_size"] = size
    try:
        return _create(name, arguments)
    except RuntimeError as error:
        raise UserError(f"{name} cannot be made with these model.options ({first_line(error)}).") from error


def create_with_weights(
    name: str,
    state: Mapping[str, Tensor] | None,
    *,
    where: str,
    size: tuple[int, int] | None,
    trained_size: tuple[int, int] | None = None,
    **options: Any,
) -> nn.Module:
    """timm's network with the weights `state` (timm's names, or those of the original release that timm converts).

    Loaded whole and strictly at the class count of the weights and at `trained_size` (height, width), the pictures that
    their positions belong to; then set to `size`. With `state` None timm's loader fetches the published weights.
    `where` names the weights in a message. Raises UserError with the first keys that do not fit.
    """
    config = get_pretrained_cfg(name)
    arguments: dict[str, Any] = {**options, "pretrained": True}
    if state is not None:
        classes = _classes_in(state, getattr(config, "classifier", None))
        overlay = {"state_dict": dict(state), "num_classes": classes}
        if trained_size:
            overlay["input_size"] = (3, *trained_size)
            if _takes_size(name):
                arguments["img_size"] = trained_size
        arguments |= {"num_classes": classes, "pretrained_cfg_overlay": overlay}
    try:
        module: Any = _create(name, arguments)
    except RuntimeError as error:
        raise UserError(f"{where} does not fit {name}: {mismatch(error)}") from error
    if state is not None:
        _check_used(module, state, where, name)
        # timm keeps the overlay, and with it a second copy of the weights.
        module.pretrained_cfg = config.to_dict() if config else {}
    if size is not None:
        set_image_size(module, size, name)
    return module


def published_weights(name: str, progress: Progress = silent) -> Mapping[str, Tensor] | None:
    """The published weights of `name` if they are on this machine; None if timm has to fetch them, and can.

    Raises UserError if there are none, or no network to fetch them: fresh weights are never given instead.
    """
    config, here, host = _published(name)
    if here is not None and config.hf_hub_id and not config.custom_load and not config.label_offset:
        return read_weights(here)
    if here is not None and not config.hf_hub_id:
        return None
    check_reachable(host, f"timm:{name}")
    progress(0, 0, f"fetching the weights of {name} from {host}")
    return None


def weights_host(name: str) -> str:
    """The host from which timm would fetch the weights of `name`; empty if they are on this machine.

    Raises UserError if there are none, or if they are not here and the host cannot be reached.
    """
    _, here, host = _published(name)
    if here is not None:
        return ""
    check_reachable(host, f"timm:{name}")
    return host


def _published(name: str) -> tuple[Any, Path | None, str]:
    """timm's configuration of `name`, the file of its weights if it is here, and the host that has it."""
    config = get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        with_weights = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        hint = f" (there are for {', '.join(with_weights[:4])})" if with_weights else ""
        raise UserError(
            f"timm has no published weights for {name}{hint}; set model.pretrained = false to start from scratch, or"
            " model.weights to a file of yours."
        )
    if config.hf_hub_id:
        return config, cached_on_hub(config.hf_hub_id, config.hf_hub_filename), hub_host()
    url = urlsplit(config.url[0] if isinstance(config.url, tuple) else config.url or "")
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url.path).name
    return config, file if file.exists() else None, url.hostname or ""


def shapes(name: str, size: tuple[int, int] | None, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of `name` for pictures of `size` (height, width), found without making any."""
    with torch.device("meta"):
        module = create(name, size=size, num_classes=None, **options)
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def patch_size(name: str, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) of the patches of `name` in pixels; None if it is no plain ViT."""
    with torch.device("meta"):
        backbone = Backbone(create(name, size=None, num_classes=None, **options))
    return None if backbone.refusal else backbone.patch_size


def preprocessing(module: nn.Module, size: tuple[int, int] | None = None) -> Preprocessing:
    """How timm prepares pictures for `module` in evaluation, at `size` (height, width; None for its own)."""
    config = resolve_data_config(model=module)
    height, width = size or config["input_size"][1:]
    return Preprocessing(
        height=height,
        width=width,
        resize="squash" if config["crop_mode"] == "squash" else "crop",
        crop_fraction=float(config["crop_pct"]),
        interpolation=config["interpolation"],
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def published_labels(num_classes: int) -> tuple[str, ...] | None:
    """The words for the classes of a network published with `num_classes` ImageNet classes; None if it is no such."""
    subset = infer_imagenet_subset({"num_classes": num_classes})
    if subset is None:
        return None
    return tuple(word.split(",")[0] for word in ImageNetInfo(subset).label_descriptions())


def imagenet_numbers(labels: Sequence[str]) -> dict[str, int]:
    """The class of each synset (`n01440764`), and of its first word, where `labels` are ImageNet's; else nothing.

    Of classes that share a word (the two cranes) the key is `crane (n02012849)`, as data name them.
    """
    subset, words = infer_imagenet_subset({"num_classes": len(labels)}), published_labels(len(labels))
    if (
        subset is None
        or words is None
        or any(label.split(",")[0] != word for label, word in zip(labels, words, strict=True))
    ):
        return {}
    synsets = ImageNetInfo(subset).label_names()
    counts = Counter(words)
    found = {word: number for number, word in enumerate(words) if counts[word] == 1}
    for number, (synset, word) in enumerate(zip(synsets, words, strict=True)):
        found |= {synset: number, f"{word} ({synset})": number}
    return found


def _create(name: str, arguments: dict[str, Any]) -> nn.Module:
    """`timm.create_model` with its ways to fail said in words; a mismatch of weights stays a RuntimeError."""
    if arguments.get("global_pool") == TOKEN_AND_MEAN:
        return _reading_token_and_mean(name, arguments)
    check_options(arguments)
    try:
        with bounded(bound_of_machine()):
            module: nn.Module = timm.create_model(name, **arguments)
    except TypeError as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unknown is None:
            raise UserError(f"{name} does not take these model.options ({error}).") from error
        raise UserError(
            f"{name} does not know the option {unknown[1]!r} (model.options or model.image_size)."
        ) from error
    except (AssertionError, ValueError, ZeroDivisionError) as error:
        raise UserError(
            f"{name} cannot be made with these model.options ({str(error) or type(error).__name__})."
        ) from error
    except HfHubHTTPError as error:
        raise UserError(
            f"The hub refused the weights of timm:{name} ({first_line(error)}); accept their licence there and log in"
            " with `hf auth login`, or set model.weights to a file with them."
        ) from error
    except (HTTPError, OSError) as error:
        raise no_network(f"timm:{name}") from error
    if arguments.get("in_chans", 3) == 1:
        see_grey(module, name)
    return module


def _reading_token_and_mean(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network whose head reads the mean of the patches, too: made by timm without a head, which is put on here.

    Published weights have no such head: the network then has none either.
    """
    given: dict[str, Any] = {**arguments, "global_pool": "token"}
    overlay = dict(given.get("pretrained_cfg_overlay") or {})
    state = dict(overlay.get("state_dict") or {})
    head = {key: state.pop(key) for key in ("head.weight", "head.bias") if key in state}
    classes = given.get("num_classes")
    if head:
        overlay |= {"state_dict": state, "num_classes": 0}
        given |= {"num_classes": 0, "pretrained_cfg_overlay": overlay}
    elif given.get("pretrained"):
        classes = given["num_classes"] = 0
    module: Any = _create(name, given)
    read_token_and_mean(module, module.num_classes if classes is None else classes, name)
    if head:
        module.head.load_state_dict({key.removeprefix("head."): tensor for key, tensor in head.items()})
    return module


def _takes_size(name: str) -> bool:
    config = get_pretrained_cfg(name)
    return bool(config is not None and config.fixed_input_size)


def _classes_in(state: Mapping[str, Tensor], classifier: object) -> int:
    """The class count of the head that the weights have; 0 if they have none."""
    names = (
        [classifier]
        if isinstance(classifier, str)
        else list(classifier)
        if isinstance(classifier, tuple | list)
        else []
    )
    for name in [*names, "head", "fc", "classifier"]:
        weight = state.get(f"{name}.weight")
        if weight is not None and weight.dim() >= 2:
            return int(weight.shape[0])
    return 0


def _check_used(module: nn.Module, state: Mapping[str, Tensor], where: str, name: str) -> None:
    """Raises UserError if no matrix of `state` arrived: some families of timm load leniently and would stay random."""
    given = {(matrix.numel(), float(matrix.float().sum())) for matrix in state.values() if matrix.dim() >= 2}
    arrived = (matrix for matrix in module.state_dict().values() if matrix.dim() >= 2)
    if not any((matrix.numel(), float(matrix.float().sum())) in given for matrix in arrived):
        raise UserError(f"{where} does not fit {name}: none of its tensors has a place there.")


def left_behind(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Names of weights that are in no place of the network that was made from them.

    timm renames, joins, splits and resamples what it reads, so a tensor counts as used if its name is there, or its
    numbers are, whole or by thirds. Buffers that are computed again, and zeros, are nothing to miss.
    """
    there = module.state_dict()
    arrived = {_numbers(tensor) for tensor in there.values()}
    lost = []
    for name, tensor in state.items():
        if name in there or _COMPUTED.search(name) or tensor.dim() == 0 or not bool(tensor.any()):
            continue
        pieces = tensor.chunk(3) if tensor.shape[0] % 3 == 0 else ()
        if _numbers(tensor) not in arrived and not any(_numbers(piece) in arrived for piece in pieces):
            lost.append(name)
    return lost


def _numbers(tensor: Tensor) -> tuple[int, float]:
    return tensor.numel(), float(tensor.double().sum())
