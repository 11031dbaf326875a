"""From a recipe to the task of a classifier: its data with their split, its network, its augmentation, its cache."""

from dataclasses import replace
from pathlib import Path

import torch

from vitbench.data.augment import Augmentation, augmentation
from vitbench.data.cache import open_cache
from vitbench.data.index import DataIndex, head_labels, open_recipe_data, refuse_doubts
from vitbench.data.resizing import FixedResize
from vitbench.data.split import read_split, with_validation, write_split
from vitbench.errors import UserError
from vitbench.models.adaptation import classifiers
from vitbench.models.network import Network, build_network
from vitbench.progress import Progress
from vitbench.recipe import Recipe
from vitbench.training.classification import Classification, needs_two
from vitbench.training.multilabel import Multilabel
from vitbench.training.probe import Probe


def open_classification(
    recipe: Recipe, run_folder: Path, store: Path, device: torch.device, progress: Progress
) -> tuple[Classification, str]:
    """The task of a recipe, and the fingerprint of its data. The split is written down in the run folder once.

    Raises UserError if data, network and recipe do not fit each other.
    """
    if not recipe.data.path:
        raise UserError("The recipe names no data: set data.path, or give --data.")
    data = open_run_data(recipe, run_folder, store, progress)
    labels = head_labels(recipe.model.num_classes, data.classes, data.root)
    network = build_network(recipe.model, num_classes=len(labels), labels=labels, progress=progress)
    changes = fitting_augmentation(recipe, network)
    # The report's augmentation squashes, so its evaluation does too.
    network.preprocessing = replace(changes.preprocessing, value_range=data.value_range)
    cache = evaluation_cache = None
    if recipe.data.cache:
        cache = open_cache(data, changes.first, store=store, progress=progress)
        plain = FixedResize(network.preprocessing)
        same = plain.key == changes.first.key
        evaluation_cache = cache if same else open_cache(data, plain, store=store, progress=progress)
    kind: type[Classification] = Classification
    if recipe.task == "multilabel":
        kind, network.multilabel = Multilabel, True
    elif recipe.optim.probe_lrs is not None:
        kind = Probe
    task = kind(
        network,
        data,
        recipe,
        device=device,
        augmentation=changes,
        cache=cache,
        evaluation_cache=evaluation_cache,
        progress=progress,
    )
    return task, data.fingerprint


def fitting_augmentation(recipe: Recipe, network: Network) -> Augmentation:
    """How the recipe changes the network's pictures. Raises UserError if recipe and network do not fit."""
    if recipe.train.batch_size == 1 and needs_two(network.module):
        raise UserError(
            f"{recipe.model.name} normalises over the pictures of a batch; set train.batch_size = 2 or more."
        )
    if recipe.train.head_epochs and len(classifiers(network.module)) != 1:
        raise UserError(f"{recipe.model.name} has two heads; set train.head_epochs = 0.")
    return augmentation(recipe.data.augment, network.preprocessing, random_erasing=recipe.data.random_erasing)


def open_run_data(recipe: Recipe, run_folder: Path, store: Path, progress: Progress) -> DataIndex:
    """The data of a run, with the split that was drawn when it began."""
    data = open_recipe_data(recipe, store, progress)
    split = run_folder / "split.csv"
    if split.exists():
        return read_split(data, split)
    data = with_parts(recipe, data)
    write_split(data, split)
    return data


def with_parts(recipe: Recipe, data: DataIndex) -> DataIndex:
    """The data with the validation split that the recipe draws. Raises UserError if there are too few pictures."""
    refuse_doubts(data.root, data.doubts, recipe.data.accept_doubts)
    data = with_validation(data, fraction=recipe.data.validation_fraction, seed=recipe.train.seed)
    if not len(data.positions("val")):
        raise UserError(f"{data.root} has too few pictures: no class has two, so none can be left for validation.")
    return data
