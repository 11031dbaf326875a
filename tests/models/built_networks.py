"""Small networks, and what the tests of building and opening them ask."""

import torch
from safetensors.torch import save_file

from vitbench.models.adaptation import state_on_cpu
from vitbench.recipe_tables import ModelTable

SMALL = {"embed_dim": 48, "depth": 2, "num_heads": 3}
TINY = "timm:vit_tiny_patch16_224"


def table(**values) -> ModelTable:
    return ModelTable(**{"name": TINY, "image_size": 64, "options": SMALL} | values)


def save(module, folder, name="model.safetensors"):
    folder.mkdir(exist_ok=True)
    save_file(state_on_cpu(module), folder / name)
    return folder / name


def logits(module, size=(64, 64)):
    pixels = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        return module.eval()(pixels)
