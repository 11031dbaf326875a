"""A network as a folder that timm loads as `local-dir:FOLDER`, as its own `save_for_hf` writes it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import timm
from safetensors.torch import save_file
from timm.models._hub import save_config_for_hf
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.hugging_face_folder import OWN_KEY
from vitbench.models.network import Network
from vitbench.models.token_and_mean import TOKEN_AND_MEAN


def write(network: Network, state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes config.json and model.safetensors with `state`. Raises UserError for what timm cannot describe."""
    preprocessing = network.preprocessing
    data = {
        "input_size": (3, preprocessing.height, preprocessing.width),
        "interpolation": preprocessing.interpolation,
        "mean": preprocessing.mean,
        "std": preprocessing.std,
        "crop_pct": preprocessing.crop_fraction,
        "crop_mode": "squash" if preprocessing.resize == "squash" else "center",
    }
    own: dict[str, Any] = {OWN_KEY: {"preprocessing": preprocessing.to_dict()}}
    if network.labels:
        own["label_names"] = list(network.labels)
    module: Any = network.module
    if module.num_classes and getattr(module, "global_pool", "") == TOKEN_AND_MEAN:
        raise UserError(
            "timm has no network whose head reads the mean of the patches beside the class token; --format hf and"
            " --format onnx can write it."
        )
    try:
        save_config_for_hf(module, str(folder / "config.json"), model_config=own, data_config=data)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"timm cannot describe this network in a config.json: {error}.") from error
    save_file(dict(state), folder / "model.safetensors", metadata={"format": "pt"})


def open_again(folder: Path, num_classes: int) -> Callable[[Tensor], Tensor]:
    """Logits of normalised pictures [B, 3, H, W], as timm computes them."""
    module: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return lambda pixels: module(pixels)
