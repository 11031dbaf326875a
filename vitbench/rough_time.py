"""How long a run would take on the CPU, roughly, before anything is measured, and what would make it shorter."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from vitbench import catalogue
from vitbench.errors import UserError
from vitbench.recipe import Recipe

LONG = 3600.0
"""Seconds from which a run's time is said before it starts."""
_CORE_FLOPS = 20e9
"""Floating point operations that one core does in a second when it trains: ViT-S at 224 gets 1.5 pictures on two."""
_PASSES = 3.0
"""A backward pass costs about two forward ones."""
_NETWORKS = (
    "timm:vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "timm:vit_small_patch16_224.augreg_in21k_ft_in1k",
    "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k",
)
"""From large to small; all have published weights."""
_SIZES = (384, 320, 256, 224, 192, 160, 128, 112, 96, 64)
_EPOCHS = (200, 150, 100, 75, 50, 40, 30, 20, 15, 10, 5, 3, 2, 1)
_Changes = tuple[tuple[str, str], ...]
"""Keys and values, as `--set` takes them."""


def rough_seconds(recipe: Recipe, pictures: int, cores: int = 0) -> float | None:
    """Seconds on `cores` cores of a CPU (0: those of this process), None for a network of unknown size.

    Epochs that train only the head on stored features cost one forward pass of each picture in all.
    """
    entry = catalogue.entry(recipe.model.name)
    if entry is None or not entry.gflops:
        return None
    height, width = _size(recipe) or entry.image_size
    scale = height * width / (entry.image_size[0] * entry.image_size[1])
    head = recipe.train.head_epochs if recipe.task != "caption" else 0
    passes = _PASSES * (recipe.train.epochs - head) + (1.0 if head else 0.0)
    if recipe.model.freeze == "backbone":
        passes = float(recipe.train.epochs)
    cores = cores or len(os.sched_getaffinity(0))
    return pictures * passes * scale * entry.gflops * 1e9 / (_CORE_FLOPS * cores)


@dataclass(frozen=True)
class Faster:
    """Keys of a recipe with other values, as `--set` takes them, and the seconds that the run would then take."""

    changes: _Changes
    seconds: float


def faster_ways(recipe: Recipe, seconds: float, limit: float) -> list[Faster]:
    """What brings a run of `seconds` below `limit` seconds: a smaller network, smaller pictures, or fewer epochs.

    Of each the least change that is enough. Where none is enough alone, one way of several together, or as far as they
    go; empty where nothing makes the run shorter.
    """
    ways = [_enough(recipe, seconds, limit, kind(recipe)) for kind in _KINDS]
    enough = [way for way in ways if way is not None and way.seconds < limit]
    return enough or _together(recipe, seconds, limit)


def _together(recipe: Recipe, seconds: float, limit: float) -> list[Faster]:
    """One kind of change after the other, until it is enough."""
    changes: _Changes = ()
    for kind in _KINDS:
        way = _enough(recipe, seconds, limit, kind(recipe))
        if way is not None and seconds >= limit:
            changes, seconds = changes + way.changes, way.seconds
            recipe = recipe.with_changes([f"{key}={value}" for key, value in way.changes])
    return [Faster(changes, seconds)] if changes else []


def _enough(recipe: Recipe, seconds: float, limit: float, kind: Iterator[_Changes]) -> Faster | None:
    """The first change of a kind that is enough, else the last one that is faster; changes come from small to large."""
    best = None
    for changes in kind:
        try:
            changed = recipe.with_changes([f"{key}={value}" for key, value in changes])
        except UserError:
            continue  # it contradicts another key of this recipe
        before, after = rough_seconds(recipe, 1), rough_seconds(changed, 1)
        share = changed.train.epochs / recipe.train.epochs
        if before and after is not None:
            share = after / before
        if share < 1 and (best is None or seconds * share < best.seconds):
            best = Faster(changes, seconds * share)
            if best.seconds < limit:
                break
    return best


def _networks(recipe: Recipe) -> Iterator[_Changes]:
    now = catalogue.entry(recipe.model.name)
    for name in () if now is None or recipe.model.weights else _NETWORKS:
        entry = catalogue.entry(name)
        if now is not None and entry is not None and entry.parameters < now.parameters:
            # A tag means published weights, which a run from random ones does not take.
            yield (("model.name", f'"{name if recipe.model.pretrained else entry.name}"'),)


def _pictures(recipe: Recipe) -> Iterator[_Changes]:
    entry = catalogue.entry(recipe.model.name)
    if entry is None or entry.patch_size is None:
        return
    now = min(_size(recipe) or entry.image_size)
    for side in _SIZES:
        if side < now and side % entry.patch_size[0] == 0 and side % entry.patch_size[1] == 0:
            yield (("model.image_size", str(side)),)


def _epochs(recipe: Recipe) -> Iterator[_Changes]:
    for epochs in _EPOCHS:
        if recipe.train.epochs / 10 <= epochs < recipe.train.epochs:  # with fewer it would learn something else
            warmup = epochs / 5
            shorter = (("schedule.warmup_epochs", f"{warmup:g}"),) if warmup < recipe.schedule.warmup_epochs else ()
            yield (("train.epochs", str(epochs)), *shorter)


_KINDS = (_networks, _pictures, _epochs)


def _size(recipe: Recipe) -> tuple[int, int] | None:
    """(height, width) that the recipe asks for; None for the network's own."""
    size = recipe.model.image_size
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1])
