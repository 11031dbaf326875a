"""A network as others save it in a folder: `config.json` beside its weights, from transformers or from timm.

The configuration says which network of timm it is and with which arguments; the folder's own preprocessing and class
names come along. Nothing is downloaded, and no code of the folder is run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vitbench.data.hugging_face_preprocessing import PreparedAs, read_preprocessing
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.files.parsing import read_json_object
from vitbench.files.reading import DESCRIPTION
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.pretrained_vit_folder import CONFIG_KEY, default_preprocessing, read_row
from vitbench.models.state_dicts import StateDict
from vitbench.models.weight_files import read_state_dict
from vitbench.text import clean

OWN_KEY = "vitbench"
"""In config.json: what `vitbench export` adds, the preprocessing as vitbench describes it."""
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.pth", "model.pt")
_ACTIVATIONS = {
    "gelu": None,
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' names of activations as timm's; None is what timm takes anyway."""


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
    """Whether a folder holds a `config.json` of a network that is opened here."""
    try:
        config = read_json_object(folder / "config.json", DESCRIPTION)
    except (UserError, OSError):
        return False
    return "architecture" in config or CONFIG_KEY in config or _vision(config).get("model_type") in _TYPES


def read_saved_network(folder: Path) -> SavedNetwork:
    """The network in a folder. Raises UserError naming the file and the key that is missing or not understood."""
    config = read_json_object(folder / "config.json", DESCRIPTION)
    if CONFIG_KEY in config:
        return _of_pretrained_vit(folder, config)
    state = _read_weights(folder)
    if "architecture" in config:
        return _of_timm(folder, config, state)
    vision = _vision(config)
    kind = str(vision.get("model_type", config.get("model_type")))
    if kind not in _TYPES:
        raise UserError(
            f"{folder / 'config.json'}: model_type is {clean(kind)!r}; of transformers these are opened:"
            f" {', '.join(sorted(_TYPES))}."
        )
    if vision.get("num_channels", 3) != 3:
        channels = clean(str(vision["num_channels"]))
        raise UserError(f"{folder / 'config.json'}: num_channels is {channels}; three are needed.")
    try:
        size = _pair(vision["image_size"])
        converted = to_timm_names(state)
        architecture, options = _TYPES[kind](vision, converted)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise UserError(f"{folder / 'config.json'} does not say what is needed of a {kind} ({error}).") from error
    own = _own_preprocessing(folder, config)
    prepared = PreparedAs(own) if own is not None else read_preprocessing(folder, kind, size)
    labels = _labels(config, converted)
    return SavedNetwork(architecture, options, size, converted, prepared.preprocessing, labels, prepared.notes)


def _vision(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a configuration that is about pictures: all of it, or one of two towers."""
    part = config.get("vision_config")
    if not isinstance(part, Mapping):
        return config
    kind = str(config.get("model_type", ""))
    return {"model_type": f"{kind}_vision_model"} | dict(part)


def _read_weights(folder: Path) -> StateDict:
    """The weights, in one file or in several that an index lists."""
    for name in _WEIGHTS:
        if (folder / name).exists():
            return read_state_dict(folder / name)
        index = folder / f"{name}.index.json"
        if index.exists():
            shards = read_json_object(index, DESCRIPTION).get("weight_map")
            if not isinstance(shards, Mapping):
                raise UserError(f"{index} has no weight_map, which lists the files with the weights.")
            tensors: dict[str, Tensor] = {}
            # A name from outside never leads out of the folder.
            for shard in sorted({Path(str(file)).name for file in shards.values()}):
                tensors |= read_state_dict(folder / shard).tensors
            return StateDict(tensors)
    raise UserError(f"{folder} has a config.json but none of the files with weights: {', '.join(_WEIGHTS)}.")


def _labels(config: Mapping[str, Any], state: StateDict) -> tuple[str, ...] | None:
    head = state.tensors.get("head.weight")
    names = config.get("id2label")
    if head is None or not isinstance(names, Mapping):
        return None
    known = {str(number): str(name) for number, name in names.items()}
    labels = tuple(known.get(str(number), f"class {number}") for number in range(head.shape[0]))
    # transformers invents these where nobody named the classes.
    return None if all(label == f"LABEL_{number}" for number, label in enumerate(labels)) else labels


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that every kind has."""
    options: dict[str, Any] = {
        "patch_size": _patch(config["patch_size"]),
        "embed_dim": int(config["hidden_size"]),
        "depth": int(config["num_hidden_layers"]),
        "num_heads": int(config["num_attention_heads"]),
    }
    if "intermediate_size" in config:
        options["mlp_ratio"] = _ratio(int(config["intermediate_size"]), options["embed_dim"])
    elif "mlp_ratio" in config:
        options["mlp_ratio"] = float(config["mlp_ratio"])
    return options


def _activation(config: Mapping[str, Any], own: str = "gelu") -> dict[str, Any]:
    name = str(config.get("hidden_act", own))
    if name not in _ACTIVATIONS:
        raise UserError(f"The activation hidden_act = {clean(name)!r} is not known here.")
    return {"act_layer": _ACTIVATIONS[name]} if _ACTIVATIONS[name] else {}


def _vit(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _activation(config) | _bias(config)
    if "dist_token" in state.tensors:
        return "deit_base_distilled_patch16_224", options
    if "reg_token" in state.tensors:
        options["reg_tokens"] = int(state.tensors["reg_token"].shape[1])
    return "vit_base_patch16_224", options


def _dinov2(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _bias(config)
    registers = "reg_token" in state.tensors
    if registers:
        options["reg_tokens"] = int(state.tensors["reg_token"].shape[1])
        # transformers adds a position to the class token before it inserts the registers; timm has none there.
        positions = state.tensors["pos_embed"]
        state.tensors["cls_token"] = state.tensors["cls_token"] + positions[:, :1]
        state.tensors["pos_embed"] = positions[:, 1:].contiguous()
    if config.get("use_swiglu_ffn"):
        options["mlp_ratio"] = _ratio(int(state.tensors["blocks.0.mlp.fc1.weight"].shape[0]), options["embed_dim"])
        return ("vit_giant_patch14_reg4_dinov2" if registers else "vit_giant_patch14_dinov2"), options
    options |= _activation(config)
    return ("vit_small_patch14_reg4_dinov2" if registers else "vit_small_patch14_dinov2"), options


def _dinov3(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | {
        "num_reg_tokens": int(config.get("num_register_tokens", 0)),
        "rope_temperature": float(config.get("rope_theta", 100.0)),
        "global_pool": "token",
    }
    if config.get("use_gated_mlp"):
        return "vit_small_plus_patch16_dinov3_qkvb", options
    return "vit_base_patch16_dinov3_qkvb", options


def _siglip(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    options = _plain(config) | _activation(config, "gelu_pytorch_tanh")
    if "attn_pool.latent" not in state.tensors:
        # The classifier of transformers reads the mean of the patches after the last norm.
        options |= {"global_pool": "avg", "fc_norm": False}
    return "vit_base_patch16_siglip_224", options


def _clip(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    return "vit_base_patch16_clip_224", _plain(config) | _activation(config, "quick_gelu")


def _beit(config: Mapping[str, Any], state: StateDict) -> tuple[str, dict[str, Any]]:
    if config.get("hidden_act", "gelu") != "gelu":
        raise UserError(f"A BEiT with the activation {clean(str(config['hidden_act']))!r} is not known here.")
    shared = bool(config.get("use_shared_relative_position_bias"))
    options = _plain(config) | {
        "init_values": float(config.get("layer_scale_init_value", 0.1)),
        "use_abs_pos_emb": bool(config.get("use_absolute_position_embeddings")),
        "use_rel_pos_bias": bool(config.get("use_relative_position_bias")) and not shared,
        "use_shared_rel_pos_bias": shared,
        "global_pool": "avg" if config.get("use_mean_pooling", True) else "token",
    }
    return "beit_base_patch16_224", options


_TYPES: dict[str, Callable[[Mapping[str, Any], StateDict], tuple[str, dict[str, Any]]]] = {
    "vit": _vit,
    "deit": _vit,
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2,
    "dinov3_vit": _dinov3,
    "siglip_vision_model": _siglip,
    "siglip2_vision_model": _siglip,
    "clip_vision_model": _clip,
    "beit": _beit,
}
"""transformers' `model_type`, and what of timm it is."""


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
            mean=_three(settings["mean"]),
            std=_three(settings["std"]),
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


def _of_pretrained_vit(folder: Path, config: Mapping[str, Any]) -> SavedNetwork:
    """What `vitbench export --format pretrained_vit` writes."""
    options, size, state = read_row(folder, config)
    preprocessing = _own_preprocessing(folder, config) or default_preprocessing(size)
    labels = _timm_labels(config.get("label_names"), None)
    return SavedNetwork("vit_base_patch16_224", options, size, state, preprocessing, labels)


def _own_preprocessing(folder: Path, config: Mapping[str, Any]) -> Preprocessing | None:
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


def _bias(config: Mapping[str, Any]) -> dict[str, Any]:
    return {} if config.get("qkv_bias", True) else {"qkv_bias": False}


def _ratio(hidden: int, width: int) -> float:
    """The ratio of which timm takes the whole part again, so that rounding never loses one."""
    return hidden / width if int(width * (hidden / width)) == hidden else (hidden + 0.5) / width


def _patch(value: Any) -> int | tuple[int, int]:
    height, width = _pair(value)
    return height if height == width else (height, width)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    height, width = value
    return int(height), int(width)


def _three(values: Any) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
