"""The folder of a network in the names of pytorch_pretrained_vit, as `vitbench export` writes it, opened again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.models.foreign_names import to_timm_names
from vitbench.models.state_dicts import StateDict
from vitbench.models.weight_files import read_state_dict

CONFIG_KEY = "pytorch_pretrained_vit"
"""In config.json: the library's row for the network, as in its table PRETRAINED_MODELS."""
WEIGHTS_NAME = "weights.pth"


def read_row(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[int, int], StateDict]:
    """timm's arguments, (height, width) in pixels, and the weights. Raises UserError naming what is missing."""
    try:
        row = config[CONFIG_KEY]["config"]
        height, width = (int(side) for side in config["image_size"])
        options: dict[str, Any] = {
            "patch_size": int(row["patches"]),
            "embed_dim": int(row["dim"]),
            "depth": int(row["num_layers"]),
            "num_heads": int(row["num_heads"]),
        }
        hidden = int(row["ff_dim"])
        ratio = hidden / options["embed_dim"]
        options["mlp_ratio"] = (
            ratio if int(options["embed_dim"] * ratio) == hidden else (hidden + 0.5) / options["embed_dim"]
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{folder / 'config.json'} does not say what is needed of a network ({error}).") from error
    return options, (height, width), to_timm_names(read_state_dict(folder / WEIGHTS_NAME))


def default_preprocessing(size: tuple[int, int]) -> Preprocessing:
    """The library's: squashed, mean and deviation 0.5."""
    return Preprocessing(*size)
