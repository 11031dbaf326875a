"""Whether a recipe, its data and its network fit each other, found before anything is trained or downloaded."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from vitbench.captions.readings import Reading, open_reading, readings
from vitbench.data.balance import class_weights, said_balance
from vitbench.data.generated import read_address
from vitbench.data.index import head_labels, label_order, open_recipe_data
from vitbench.data.pictures import allow_pictures
from vitbench.data.scenes import KIND_SETS
from vitbench.data.scenes.export import check_scenes
from vitbench.data.summary import brief
from vitbench.errors import UserError
from vitbench.models.fetching import weights_from
from vitbench.models.network import DEMO, Network, build_network
from vitbench.models.weight_files import check_weight_file
from vitbench.paths import expanded
from vitbench.progress import Progress, silent
from vitbench.recipe import Recipe
from vitbench.runs.offer import check_offer
from vitbench.training.device import check_device
from vitbench.training.distributed import refuse_unfit
from vitbench.training.open_classification import fitting_augmentation, with_parts


@dataclass
class Check:
    """`recognised` says what the data are, a sentence each; `problems` why the recipe cannot be trained.

    `pictures` is how many there are, 0 where nobody has counted them.
    """

    recognised: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    pictures: int = 0
    readings: list[Reading] = field(default_factory=list)
    """The ways in which the data can be read, where what they mean is open and nobody has said it."""


def check_recipe(recipe: Recipe, store: Path, progress: Progress = silent) -> Check:
    """Everything that a worker would refuse at its start, but for memory that runs out.

    Pictures are looked at, which may take minutes the first time; scenes that are not written yet are not written.
    """
    check = Check()
    allow_pictures(recipe.data.largest_picture)
    labels: Sequence[str] = ()

    def note(work: Callable[[], object]) -> None:
        try:
            work()
        except UserError as error:
            if str(error) not in check.problems:
                check.problems.append(str(error))

    def inspect_data() -> None:
        nonlocal labels
        if recipe.task == "caption":
            _check_captions(recipe, store, progress, check)
        else:
            labels = _labels(recipe, store, progress, check)

    note(inspect_data)
    if open_reading([*check.recognised, *check.problems], recipe.data.layout) and "scenes:" not in recipe.data.path:
        progress(0, 0, "looking for other ways to read the data")
        check.readings = readings(recipe.data.path, recipe.task)
    progress(0, 0, "making the network")
    note(lambda: _check_network(recipe, labels))
    note(lambda: _check_weights(recipe, check))
    note(lambda: check_device(recipe.train.device))
    note(lambda: check_offer(recipe, store))
    return check


def _labels(recipe: Recipe, store: Path, progress: Progress, check: Check) -> Sequence[str]:
    """The names of the network's outputs, one for each class at least."""
    path = recipe.data.path
    if _is_unwritten(path, store):
        check.recognised.append(_promise(path))
        check.pictures = read_address(path).count
        return head_labels(recipe.model.num_classes, label_order(KIND_SETS[read_address(path).kinds]), Path(path))
    data = open_recipe_data(recipe, store, progress)
    check.recognised += brief(data)
    check.pictures = len(data.samples)
    if not data.classes:
        raise UserError(f"{data.root} has no labels to learn.")
    parted = with_parts(recipe, data)
    labels = head_labels(recipe.model.num_classes, data.classes, data.root)
    if recipe.task == "multilabel":
        if not isinstance(recipe.data.class_weights, str):
            everyone = np.arange(len(data.classes))
            class_weights(recipe.data.class_weights, everyone, data.classes, len(labels))
        return labels
    trained = np.array([sample.label for sample in parted.split("train")])
    class_weights(recipe.data.class_weights, trained, data.classes, len(labels))
    counts = np.bincount(trained, minlength=len(data.classes)).tolist()
    said = said_balance(dict(zip(data.classes, counts, strict=True)))
    if said and recipe.data.class_weights is None and recipe.data.sampler == "shuffle":
        check.recognised.append(said)
    return labels


def _check_captions(recipe: Recipe, store: Path, progress: Progress, check: Check) -> None:
    from vitbench.captions.index import open_caption_data
    from vitbench.captions.tokenizer import unfit_for_words

    if _is_unwritten(recipe.data.path, store):
        check.recognised.append(_promise(recipe.data.path))
        check.pictures = read_address(recipe.data.path).count
        return
    data = open_caption_data(recipe.data.path, store, progress, recipe.data.layout)
    check.recognised += [f"{data.sentence}.", *([data.drawn] if data.drawn else [])]
    check.pictures = len(data.split("train"))
    for title, said in (("Left out", data.problems), ("Changed or guessed", data.notes)):
        if said:
            check.recognised.append(f"{title}: {len(said):,}, such as {said[0].rstrip('.')}.")
    captions = [caption for picture in data.split("train") for caption in picture.captions]
    if recipe.caption.tokenizer == "word" and (doubt := unfit_for_words(captions)):
        check.recognised.append(f"Doubtful: {doubt}")
    for split in ("train", "val"):
        if not data.split(split):
            raise UserError(f"{data.root} has no pictures with captions for {split}; {data.sentence}.")


def _check_network(recipe: Recipe, labels: Sequence[str]) -> None:
    count = 0 if recipe.task == "caption" else len(labels) or recipe.model.num_classes or 2
    network = _shapes_only(recipe, count)
    refuse_unfit(network.name, network.module, recipe.launch.world, recipe.train.batch_size)
    if recipe.task != "caption":
        fitting_augmentation(recipe, network)


def _check_weights(recipe: Recipe, check: Check) -> None:
    """Whether the weights that the run begins with are here, or can be had; nothing is downloaded."""
    model = recipe.model
    if model.name == DEMO:
        return
    if model.weights:
        check_weight_file(expanded(model.weights))
    elif model.pretrained and (host := weights_from(model.name)):
        check.recognised.append(f"The weights of {model.name} are downloaded from {host} when the run starts.")


def _shapes_only(recipe: Recipe, num_classes: int) -> Network:
    """The network without weights, on the `meta` device where that can be done: the largest takes no time there."""
    if recipe.model.name == DEMO:
        return build_network(recipe.model, num_classes=num_classes)
    model = recipe.model.model_copy(update={"pretrained": False, "weights": None})
    with suppress(RuntimeError), torch.device("meta"):
        return build_network(model, num_classes=num_classes)
    return build_network(model, num_classes=num_classes)


def _is_unwritten(path: str, store: Path) -> bool:
    return path.startswith("scenes:") and not read_address(path).folder(store).exists()


def _promise(path: str) -> str:
    scenes = read_address(path)
    check_scenes(count=scenes.count, size=scenes.size, seed=scenes.seed, kinds=scenes.kinds)
    return f"{scenes.sentence}, written when the run starts; {len(KIND_SETS[scenes.kinds]):,} classes."
