"""A network as others save it in a folder: a configuration beside its weights, from transformers, timm or open_clip.

The configuration says which network of timm it is and with which arguments; the folder's own preprocessing and class
names come along. Nothing is downloaded, and no code of the folder is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitbench.data.hugging_face_preprocessing import PreparedAs, read_preprocessing
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.open_clip_folder import FILE_NAME as OPEN_CLIP
from vitbench.models.open_clip_folder import read_open_clip
from vitbench.models.pretrained_vit_folder import CONFIG_KEY, default_preprocessing, read_row
from vitbench.models.state_dicts import StateDict
from vitbench.models.transformers_configs import TYPES, pair, three
from vitbench.models.weight_folders import read_weights_of
from vitbench.text import clean

OWN_KEY = "vitbench"
"""In config.json: what `vitbench export` adds, the preprocessing as vitbench describes it."""

_CAPTIONER = "vision-encoder-decoder"
"""The `model_type` of the captioners that are opened."""


@dataclass(frozen=True)
class SavedNetwork:
    """What a folder holds: a network of timm by name and arguments, and the weights under timm's names."""

    architecture: str
    """A name of timm."""
    options: dict[str, Any]
    """Further arguments of `timm.create_model`."""
    image_size: tuple[int, int]
    """(height, width) in pixels that the positions belong to."""
    state: StateDict
    preprocessing: Preprocessing
    labels: tuple[str, ...] | None
    notes: tuple[str, ...] = field(default=())


def is_saved_network(folder: Path) -> bool:
    """Whether a folder holds a `config.json`, or open_clip's own, of a network that is opened here."""
    try:
        config = read_json_object(folder / "config.json", DESCRIPTION)
    except (UserError, OSError):
        return (folder / OPEN_CLIP).is_file()
    return "architecture" in config or CONFIG_KEY in config or "model_type" in config


def read_saved_network(folder: Path) -> SavedNetwork:
    """The network in a folder. Raises UserError naming the file and the key that is missing or not understood."""
    if (folder / OPEN_CLIP).is_file() and not (folder / "config.json").exists():
        return _of_open_clip(folder)
    config = read_json_object(folder / "config.json", DESCRIPTION)
    if CONFIG_KEY in config:
        return _of_pretrained_vit(folder, config)
    if "architecture" not in config:
        _check_type(folder, config)
    state = read_weights_of(folder)
    if "architecture" in config:
        return _of_timm(folder, config, state)
    vision = _vision(config)
    kind = str(vision.get("model_type", config.get("model_type")))
    if vision.get("num_channels", 3) != 3:
        channels = clean(str(vision["num_channels"]))
        raise UserError(f"{folder / 'config.json'}: num_channels is {channels}; three are needed.")
    try:
        size = pair(vision["image_size"])
        converted = to_timm_names(state)
        architecture, options = TYPES[kind](vision, converted)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UserError(f"{folder / 'config.json'} does not say what is needed of a {kind} ({error}).") from error
    own = _own_preprocessing(folder, config)
    prepared = PreparedAs(own) if own is not None else read_preprocessing(folder, kind, size)
    labels = _labels(config, converted)
    return SavedNetwork(architecture, options, size, converted, prepared.preprocessing, labels, prepared.notes)


def _check_type(folder: Path, config: Mapping[str, object]) -> None:
    """Raises UserError for a kind of transformers that is not opened, with what it is."""
    kind = str(_vision(config).get("model_type", config.get("model_type")))
    what = f"{folder / 'config.json'}: model_type is {clean(kind)!r}"
    if "num_patches" in _vision(config) and "image_size" not in _vision(config):
        raise UserError(
            f"{what} for pictures of any shape (NaFlex), which is not opened; the same network for one size of pictures"
            " is, such as siglip2-base-patch16-256."
        )
    if kind in TYPES:
        return
    videos = {"tubelet_size", "frames_per_clip", "num_frames"} & set(_vision(config))
    if videos:
        raise UserError(
            f"{what}, a network of videos ({min(videos)} = {clean(str(_vision(config)[min(videos)]))}); vitbench looks"
            " into networks of single pictures."
        )
    if kind == _CAPTIONER:
        raise UserError(f"{what}, a captioner: `vitbench caption {folder} PICTURE` opens it.")
    raise UserError(f"{what}; of transformers these are opened: {', '.join(sorted(TYPES))}.")


def _vision(config: Mapping[str, object]) -> Mapping[str, object]:
    """The part of a configuration that is about pictures: all of it, or one of two towers."""
    part = config.get("vision_config")
    if not isinstance(part, Mapping):
        return config
    kind = str(config.get("model_type", ""))
    return {"model_type": f"{kind}_vision_model"} | dict(part)


def _labels(config: Mapping[str, object], state: StateDict) -> tuple[str, ...] | None:
    head = state.tensors.get("head.weight")
    names = config.get("id2label")
    if head is None or not isinstance(names, Mapping):
        return None
    known = {str(number): str(name) for number, name in names.items()}
    labels = tuple(known.get(str(number), f"class {number}") for number in range(head.shape[0]))
    # transformers invents these where nobody named the classes.
    return None if all(label == f"LABEL_{number}" for number, label in enumerate(labels)) else labels


def _of_timm(folder: Path, config: Mapping[str, Any], state: StateDict) -> SavedNetwork:
    """What timm's `save_for_hf` and the hub's timm repositories hold."""
    settings = config.get("pretrained_cfg")
    settings = settings if isinstance(settings, Mapping) else config
    arguments = config.get("model_args")
    try:
        _, height, width = (int(side) for side in settings["input_size"])
        preprocessing = Preprocessing(
            height,
            width,
            resize="squash" if settings.get("crop_mode") == "squash" else "crop",
            crop_fraction=float(settings.get("crop_pct", 0.875)),
            interpolation=str(settings.get("interpolation", "bicubic")),
            mean=three(settings["mean"]),
            std=three(settings["std"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{folder / 'config.json'}: pretrained_cfg does not say {error}.") from error
    names = config.get("label_names")
    preprocessing = _own_preprocessing(folder, config) or preprocessing
    return SavedNetwork(
        str(config["architecture"]).partition(".")[0],
        # The head is as large as the weights say, and the pictures are those of `pretrained_cfg`.
        {name: value for name, value in arguments.items() if name not in ("num_classes", "img_size", "in_chans")}
        if isinstance(arguments, Mapping)
        else {},
        (height, width),
        state,
        preprocessing,
        _timm_labels(names, config.get("label_descriptions")),
    )


def _of_open_clip(folder: Path) -> SavedNetwork:
    """The picture tower of what open_clip publishes; its text tower is left out with a note."""
    tower = read_open_clip(folder)
    state = to_timm_names(read_weights_of(folder))
    return SavedNetwork(tower.architecture, tower.options, tower.image_size, state, tower.preprocessing, None)


def _of_pretrained_vit(folder: Path, config: Mapping[str, object]) -> SavedNetwork:
    """What `vitbench export --format pretrained_vit` writes."""
    options, size, state = read_row(folder, config)
    preprocessing = _own_preprocessing(folder, config) or default_preprocessing(size)
    labels = _timm_labels(config.get("label_names"), None)
    return SavedNetwork("vit_base_patch16_224", options, size, state, preprocessing, labels)


def _own_preprocessing(folder: Path, config: Mapping[str, object]) -> Preprocessing | None:
    """As `vitbench export` described it, to the last detail; None in folders of others."""
    own = config.get(OWN_KEY)
    if not isinstance(own, Mapping) or not isinstance(own.get("preprocessing"), Mapping):
        return None
    try:
        return Preprocessing.from_dict(own["preprocessing"])
    except UserError as error:
        raise UserError(f"{folder / 'config.json'}: {OWN_KEY}.preprocessing: {error}") from error


def _timm_labels(names: object, descriptions: object) -> tuple[str, ...] | None:
    if not isinstance(names, list) or not names:
        return None
    words = descriptions if isinstance(descriptions, Mapping) else {}
    # ImageNet's names are synset numbers; their descriptions are words.
    return tuple(str(words.get(name, name)).split(",")[0] for name in names)
