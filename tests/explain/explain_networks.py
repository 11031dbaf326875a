"""Small random networks for the tests of this room."""

from typing import Any

import timm
import torch

from vitbench.data.preprocessing import Preprocessing
from vitbench.models.network import Network

TINY: dict[str, Any] = {"embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 10}


def fill(module: torch.nn.Module, deviation: float = 0.05) -> None:
    """Every parameter seeded by its number: matrices and biases around 0, other vectors around 1."""
    with torch.no_grad():
        for number, (name, parameter) in enumerate(module.named_parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)) * deviation
            parameter.copy_(noise if parameter.dim() >= 2 or name.endswith("bias") else 1 + noise)


def settle(module: torch.nn.Module, side: int) -> None:
    """Batch norms learn the statistics of random pictures. Without, values grow from layer to layer: LeViT's logits
    to 4e8, where float32's own rounding is in the hundreds."""
    norms = [part for part in module.modules() if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = None  # the plain mean of what was seen
        norm.reset_running_stats()
    with torch.no_grad():
        module.train()(torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(1)))
    module.eval()


def small_network(name: str = "vit_tiny_patch16_224", deviation: float = 0.2, **options: Any) -> Network:
    """A timm network with seeded random weights, tiny by default."""
    module = timm.create_model(name, **options)
    fill(module, deviation)
    size = module.default_cfg["input_size"][-2:]
    if "img_size" in options:
        size = options["img_size"] if isinstance(options["img_size"], tuple) else (options["img_size"],) * 2
    return Network(
        module=module,
        name=name,
        tag="random",
        preprocessing=Preprocessing(*size),
        labels=None,
        source="seeded random numbers",
        architecture=f"timm:{name}",
    )


def pixels_for(network: Network, batch: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 3, *network.image_size, generator=torch.Generator().manual_seed(seed))
