"""A tiny network on disk and a picture, for tests of what looks inside networks."""

from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from vitbench.models.network import build_network
from vitbench.recipe_tables import ModelTable

LAYERS, HEADS, GRID = 3, 12, (2, 4)
LABELS = ("red", "green", "blue", "grey", "white", "black", "pink")


def tiny_checkpoint(
    folder: Path,
    seed: int = 0,
    image_size: list[int] | None = None,
    embed_dim: int = 48,
    depth: int = LAYERS,
    num_heads: int = HEADS,
) -> str:
    """A checkpoint folder of a ViT with 3 layers of 12 heads, for pictures of 32x64; the reference that opens it."""
    import torch

    torch.manual_seed(seed)
    options = {"embed_dim": embed_dim, "depth": depth, "num_heads": num_heads}
    model = ModelTable(name="timm:vit_tiny_patch16_224", image_size=image_size or [32, 64], options=options)
    network = build_network(model, num_classes=len(LABELS), labels=LABELS)
    with torch.no_grad():
        for weight in network.module.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    folder.mkdir(parents=True)
    save_file(network.module.state_dict(), folder / "model.safetensors")
    network.write_network_json(folder)
    return str(folder)


def tiny_picture(file: Path, seed: int = 0, size: tuple[int, int] = (40, 90)) -> str:
    """A picture of noise, 90 wide and 40 high unless `size` (height, width) says otherwise."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    return str(file)
