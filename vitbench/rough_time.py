"""How long a run would take on the CPU, roughly, before anything is measured."""

import os

from vitbench import catalogue
from vitbench.recipe import Recipe

_CORE_FLOPS = 20e9
"""Floating point operations that one core does in a second when it trains: ViT-S at 224 gets 1.5 pictures on two."""
_PASSES = 3.0
"""A backward pass costs about two forward ones."""


def rough_seconds(recipe: Recipe, pictures: int, cores: int = 0) -> float | None:
    """Seconds on `cores` cores of a CPU (0: those of this process), None for a network of unknown size.

    Epochs that train only the head on stored features cost one forward pass of each picture in all.
    """
    entry = catalogue.entry(recipe.model.name)
    if entry is None or not entry.gflops:
        return None
    scale = 1.0
    if recipe.model.image_size and entry.image_size[0]:
        size = recipe.model.image_size
        area = size * size if isinstance(size, int) else size[0] * size[1]
        scale = area / (entry.image_size[0] * entry.image_size[-1])
    head = recipe.train.head_epochs if recipe.task != "caption" else 0
    passes = _PASSES * (recipe.train.epochs - head) + (1.0 if head else 0.0)
    if recipe.model.freeze == "backbone":
        passes = float(recipe.train.epochs)
    cores = cores or len(os.sched_getaffinity(0))
    return pictures * passes * scale * entry.gflops * 1e9 / (_CORE_FLOPS * cores)
