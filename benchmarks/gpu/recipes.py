"""The recipes of the steps; `small` has a network of two blocks."""

from pathlib import Path
from typing import Any

from gpu.bench import Bench
from vitbench.recipe import Recipe, parse_recipe

TINY = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 16}


def recipe(bench: Bench, pictures: Path | str, **tables: dict[str, Any]) -> Recipe:
    """ViT-B/16 at 384 in bf16 with the report's augmentation from the cache, changed by `tables`."""
    model: dict[str, Any] = {"name": "timm:vit_base_patch16_384", "image_size": 384}
    if bench.small:
        model = {"name": "timm:vit_tiny_patch16_224", "image_size": 32, "options": TINY}
    values: dict[str, Any] = {
        "model": model,
        "data": {"path": str(pictures), "augment": "report", "workers": 1 if bench.small else 8},
        "train": {
            "epochs": 100,
            "batch_size": 4 if bench.small else 128,
            "device": bench.device_name,
            "amp": "bf16",
            "compile": not bench.small,
            "evaluate_every": 1000,
        },
        "optim": {"name": "adamw", "lr": 1e-4, "weight_decay": 0.05},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return parse_recipe(values, "benchmark")


def little(bench: Bench, **tables: dict[str, Any]) -> Recipe:
    """A run of seconds on Scenes, with all that draws at random: dropout, augmentation, mixing, averaged weights."""
    model = {"name": "timm:vit_tiny_patch16_224", "image_size": 96, "drop_rate": 0.1, "drop_path_rate": 0.1}
    options: dict[str, Any] = {"patch_size": 12, "embed_dim": 192, "depth": 6, "num_heads": 3}
    scenes = "scenes:new?count=1600&size=96&seed=0"
    if bench.small:
        options, scenes, model["image_size"] = TINY, "scenes:new?count=111&size=32&seed=0", 32
    values: dict[str, Any] = {
        "model": model | {"options": options},
        "data": {"path": scenes, "augment": "crop-flip", "mixup": 0.2, "workers": 1 if bench.small else 4},
        "train": {
            "epochs": 6,
            "batch_size": 8 if bench.small else 64,
            "accumulate": 2,
            "device": bench.device_name,
            "amp": "bf16",
            "ema": 0.9,
            "clip": 1.0,
            "deterministic": True,
            "checkpoint_every": 3,
            "threads": 1,
        },
        "optim": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
        "schedule": {"warmup_epochs": 1},
    }
    for name, table in tables.items():
        values[name] = {**values.get(name, {}), **table}
    return parse_recipe(values, "benchmark")
