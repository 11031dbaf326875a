"""A network as pytorch_pretrained_vit loads it: a row of its table of networks in JSON, and a `.pth`."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitbench.errors import UserError
from vitbench.models.hugging_face_folder import OWN_KEY
from vitbench.models.network import Network
from vitbench.models.pretrained_vit import to_pretrained_vit_state
from vitbench.models.pretrained_vit_folder import CONFIG_KEY, WEIGHTS_NAME


def write(network: Network, state: Mapping[str, Tensor], folder: Path) -> None:
    """Writes config.json and weights.pth. Raises UserError for a network that the library cannot compute."""
    module: Any = network.module
    if not network.num_classes:
        raise UserError("pytorch_pretrained_vit has no network without a head; use --format timm or --format hf.")
    some = next(iter(state.values()))
    tensors = to_pretrained_vit_state(module)
    weights = {name: tensor.detach().cpu().to(some.dtype).contiguous() for name, tensor in tensors.items()}
    with (folder / WEIGHTS_NAME).open("wb") as stream:  # to a path torch hides what the disk says
        torch.save(weights, stream)
    block, height, width = module.blocks[0], *network.image_size
    patch = [int(side) for side in module.patch_embed.patch_size]
    if patch[0] != patch[1]:
        raise UserError(
            f"pytorch_pretrained_vit has square patches only, not {patch[0]}x{patch[1]}; use --format timm."
        )
    row = {
        "config": {
            "patches": patch[0],
            "dim": int(module.embed_dim),
            "ff_dim": int(block.mlp.fc1.out_features),
            "num_heads": int(block.attn.num_heads),
            "num_layers": len(module.blocks),
            "attention_dropout_rate": 0.0,
            "dropout_rate": 0.1,
            "representation_size": None,
            "classifier": "token",
        },
        "image_size": [height, width],
        "num_classes": network.num_classes,
        "url": None,
    }
    document = {
        CONFIG_KEY: row,
        "image_size": [height, width],
        "label_names": list(network.labels) if network.labels else None,
        OWN_KEY: {"preprocessing": network.preprocessing.to_dict()},
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def open_again(folder: Path, num_classes: int) -> Callable[[Tensor], Tensor]:
    """Logits of normalised pictures [B, 3, H, W], by the library's own network and its own loader."""
    from pytorch_pretrained_vit import ViT
    from pytorch_pretrained_vit.configs import PRETRAINED_MODELS
    from pytorch_pretrained_vit.utils import load_pretrained_weights

    document = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    PRETRAINED_MODELS["exported"] = document[CONFIG_KEY]
    try:
        model: Any = ViT("exported", image_size=tuple(document["image_size"])).eval()
    finally:
        del PRETRAINED_MODELS["exported"]
    load_pretrained_weights(model, weights_path=str(folder / WEIGHTS_NAME), verbose=False)
    return lambda pixels: model(pixels)
