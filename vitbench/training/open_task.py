"""What a recipe trains, opened with its data; torch is loaded by whoever opens it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from vitbench.progress import Progress
from vitbench.recipe import Recipe
from vitbench.runs.store import Run

if TYPE_CHECKING:
    import torch

    from vitbench.training.task import Task

OpenTask: TypeAlias = "Callable[[Run, torch.device, Progress], tuple[Task, str]]"
"""From a run, a device and who is told, a task and the fingerprint of its data."""


def open_recipe_task(run: Run, device: "torch.device", progress: Progress) -> "tuple[Task, str]":
    """What the run's recipe trains, and the fingerprint of its data; UserError for whatever does not fit."""
    return open_task(run.recipe(), run.folder, run.folder.parent.parent, device, progress)


def open_task(
    recipe: Recipe, run_folder: Path, store: Path, device: "torch.device", progress: Progress
) -> "tuple[Task, str]":
    """What a recipe trains, and the fingerprint of its data. `run_folder` keeps the split and the tokenizer.

    Raises UserError for whatever does not fit.
    """
    from vitbench.data.pictures import allow_pictures

    allow_pictures(recipe.data.largest_picture)
    if recipe.task == "caption":
        from vitbench.training.captioning import open_caption_task

        return open_caption_task(recipe, run_folder, store, device, progress)
    from vitbench.training.open_classification import open_classification

    return open_classification(recipe, run_folder, store, device, progress)
