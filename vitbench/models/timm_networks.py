"""The door to timm: networks by name, with fresh weights, with published weights, or with those of a file."""

import difflib
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub
import timm
import torch
from huggingface_hub.errors import HfHubHTTPError
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_data_config
from timm.models import get_deprecated_models, get_pretrained_cfg, is_model
from torch import Tensor, nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models.adaptation import set_head, set_image_size
from vitbench.models.weight_files import read_weights
from vitbench.progress import Progress, silent

_HUB_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_KEYS = re.compile(r'"([^"]+)"')
_SIZES = re.compile(r"size mismatch for (\S+): .*?Size\(\[([\d, ]*)\]\).*?Size\(\[([\d, ]*)\]\)")


def check_name(name: str) -> None:
    """Raises UserError, with names close to it, if timm has no network `name` (with or without a tag)."""
    bare, _, tag = name.partition(".")
    if not is_model(bare) or bare in get_deprecated_models():
        renamed = get_deprecated_models().get(bare)
        near = [renamed] if renamed else timm.list_models(f"*{bare}*")[:5] or _near(bare)
        raise UserError(f"timm has no network {name!r}; {'did you mean ' + ', '.join(near) + '?' if near else _LIST}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{bare}.*")]
    if tag and tag not in tags:
        raise UserError(f"timm has no weights {tag!r} for {bare}; it has {', '.join(tags) or 'none'}.")


_LIST = "`vitbench models` lists those it has."


def _near(name: str) -> list[str]:
    return difflib.get_close_matches(name, timm.list_models(), n=4)


def create(name: str, *, size: tuple[int, int] | None, num_classes: int | None, **options: Any) -> nn.Module:
    """timm's network with fresh weights, for pictures of `size` (height, width; None for its own).

    `options` are further arguments of `timm.create_model`. Raises UserError if timm does not know the name or rejects
    an argument.
    """
    check_name(name)
    arguments: dict[str, Any] = dict(options)
    if num_classes is not None:
        arguments["num_classes"] = num_classes
    if size is not None and _takes_size(name):
        arguments["img_size"] = size
    return _create(name, arguments)


def create_with_weights(
    name: str,
    state: Mapping[str, Tensor] | None,
    *,
    where: str,
    size: tuple[int, int] | None,
    num_classes: int | None,
    **options: Any,
) -> nn.Module:
    """timm's network with the weights `state` (timm's names, or those of the original release that timm converts).

    Loaded whole and strictly at the size and class count that the weights have; then set to `size`, and given a new
    head if `num_classes` differs. With `state` None timm's loader fetches the published weights.
    `where` names the weights in a message. Raises UserError with the first keys that do not fit.
    """
    check_name(name)
    config = get_pretrained_cfg(name)
    arguments: dict[str, Any] = dict(options, pretrained=True)
    if state is not None:
        classes = _classes_in(state, getattr(config, "classifier", None))
        source_size = _size_of_positions(name, state, options, size)
        arguments |= {
            "num_classes": classes,
            "pretrained_cfg_overlay": {
                "state_dict": dict(state),
                "num_classes": classes,
                "input_size": (3, *source_size) if source_size else config.input_size if config else (3, 224, 224),
            },
        }
        if source_size and _takes_size(name):
            arguments["img_size"] = source_size
    try:
        module: Any = _create(name, arguments)
    except RuntimeError as error:
        raise UserError(f"{where} does not fit {name}: {mismatch(str(error))}") from error
    if state is not None:
        _check_used(module, state, where, name)
        # timm keeps the overlay, and with it a second copy of the weights.
        own = config.to_dict() if config else {}
        module.pretrained_cfg = {key: value for key, value in own.items() if key != "state_dict"}
    if size is not None:
        set_image_size(module, size, name)
    if num_classes is not None and num_classes != module.num_classes:
        set_head(module, num_classes)
    return module


def create_from_npz(
    name: str, path: Path, *, size: tuple[int, int] | None, num_classes: int | None, **options: Any
) -> nn.Module:
    """timm's network with the weights of an original JAX release (big_vision, AugReg), which timm itself converts."""
    module: Any = create(name, size=size, num_classes=num_classes, **options)
    if not hasattr(module, "load_pretrained"):
        raise UserError(f"{name} cannot read {path}: timm converts .npz files only for networks that came from JAX.")
    try:
        module.load_pretrained(str(path))
    except (ValueError, KeyError, OSError, RuntimeError, AssertionError) as error:
        raise UserError(f"{path} does not fit {name} ({str(error).splitlines()[0][:160]}).") from error
    return module


def published_weights(name: str, progress: Progress = silent) -> Mapping[str, Tensor] | None:
    """The published weights of `name` if they are on this machine; None if timm has to fetch them, and can.

    Raises UserError if there are none, or no network to fetch them: fresh weights are never given instead.
    """
    check_name(name)
    config = get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        with_weights = timm.list_pretrained(f"{name.partition('.')[0]}.*")
        hint = f" (there are for {', '.join(with_weights[:4])})" if with_weights else ""
        raise UserError(
            f"timm has no published weights for {name}{hint}; set model.pretrained = false to start from scratch, or"
            " model.weights to a file of yours."
        )
    if config.hf_hub_id:
        cached = _cached_on_hub(config.hf_hub_id, config.hf_hub_filename)
        if cached is not None and not config.custom_load:
            return read_weights(cached)
        host = urlsplit(huggingface_hub.constants.ENDPOINT).hostname or "huggingface.co"
    else:
        url = config.url[0] if isinstance(config.url, tuple | list) else config.url
        host = urlsplit(str(url)).hostname or ""
        if (Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(str(url)).path).name).exists():
            return None
    progress(0, 0, f"fetching the weights of {name} from {host}")
    check_reachable(host, f"timm:{name}")
    return None


def check_reachable(host: str, reference: str) -> None:
    """Raises UserError with both ways out if the name of `host` cannot be resolved.

    The loaders would try again for most of a minute before they say so.
    """
    offline = huggingface_hub.constants.HF_HUB_OFFLINE
    try:
        if not offline:
            socket.getaddrinfo(host, 443)
            return
    except OSError as error:
        raise no_network(reference) from error
    raise no_network(reference)


def no_network(reference: str) -> UserError:
    """The answer when weights are neither here nor to be had: both ways out in one sentence."""
    return UserError(
        f"The weights of {reference} are not on this machine and cannot be downloaded from here; either set"
        " model.weights to a file with them (--set model.weights=PATH), or train from scratch with"
        " --set model.pretrained=false."
    )


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


def mismatch(message: str) -> str:
    """torch's many lines about keys that do not fit, as one sentence with the first few."""
    parts = []
    for start, end, what in (
        ("Missing key(s) in state_dict:", "Unexpected key(s)", "lacks"),
        ("Unexpected key(s) in state_dict:", "size mismatch", "has no place for"),
    ):
        if start in message:
            keys = _KEYS.findall(message.split(start, 1)[1].split(end, 1)[0])
            parts.append(f"{'it' if what == 'lacks' else 'the network'} {what} {_few(keys)}")
    sizes = [
        f"{name} ({found.replace(', ', 'x')}, needed {needed.replace(', ', 'x')})"
        for name, found, needed in _SIZES.findall(message)
    ]
    if sizes:
        parts.append(f"shapes differ: {_few(sizes)}")
    return "; ".join(parts) + "." if parts else message.strip().splitlines()[0]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _create(name: str, arguments: dict[str, Any]) -> nn.Module:
    """`timm.create_model` with its ways to fail said in words; a mismatch of weights stays a RuntimeError."""
    try:
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
    except (HfHubHTTPError, OSError) as error:
        raise no_network(f"timm:{name}") from error
    return module


def _takes_size(name: str) -> bool:
    config = get_pretrained_cfg(name)
    return bool(config is not None and config.fixed_input_size)


def _cached_on_hub(repository: str, filename: str | None) -> Path | None:
    repository, _, revision = repository.partition("@")
    for candidate in (filename,) if filename else _HUB_FILES:
        found = huggingface_hub.try_to_load_from_cache(repository, candidate, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


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


def _size_of_positions(
    name: str, state: Mapping[str, Tensor], options: Mapping[str, Any], size: tuple[int, int] | None
) -> tuple[int, int] | None:
    """(height, width) of the pictures that an absolute position embedding belongs to; None where there is none.

    A file does not say the shape of its grid: the network's own comes first, then the one asked for, then a square.
    """
    positions, kernel = state.get("pos_embed"), state.get("patch_embed.proj.weight")
    config = get_pretrained_cfg(name)
    if positions is None or positions.dim() != 3 or kernel is None or kernel.dim() != 4 or config is None:
        return None
    with torch.device("meta"):
        own: Any = _create(name, {key: value for key, value in options.items() if key != "img_size"})
    if not hasattr(own, "set_input_size") or own.pos_embed is None:
        return None
    rows, columns = own.patch_embed.grid_size
    step = own.patch_embed.feat_ratio(as_scalar=False)
    prefix = own.pos_embed.shape[1] - rows * columns
    count = positions.shape[1] - prefix
    candidates = [(rows, columns)]
    if size is not None:
        candidates.append((size[0] // step[0], size[1] // step[1]))
    side = round(max(count, 0) ** 0.5)
    candidates.append((side, side))
    for grid in candidates:
        if grid[0] * grid[1] == count:
            return grid[0] * step[0], grid[1] * step[1]
    raise UserError(
        f"The weights have {positions.shape[1]} position embeddings, which fit neither {name} nor a square grid; set"
        " model.image_size to the size that they were trained at."
    )


def _check_used(module: nn.Module, state: Mapping[str, Tensor], where: str, name: str) -> None:
    """Raises UserError if no matrix of `state` arrived: some families of timm load leniently and would stay random."""
    given = {(matrix.numel(), float(matrix.float().sum())) for matrix in state.values() if matrix.dim() >= 2}
    arrived = (matrix for matrix in module.state_dict().values() if matrix.dim() >= 2)
    if not any((matrix.numel(), float(matrix.float().sum())) in given for matrix in arrived):
        raise UserError(f"{where} does not fit {name}: none of its tensors has a place there.")
