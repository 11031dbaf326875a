"""Every method's map of every object with a mask, measured; and the same for controls that know all or nothing."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitbench.attention.subject import Subject
from vitbench.attribution.explanation import Explanation, explain
from vitbench.attribution.perturbation import fill
from vitbench.captions.masks import on_grid
from vitbench.errors import UserError
from vitbench.faithfulness.curves import BlankingAreas, curves, pixel_order
from vitbench.faithfulness.pictures import MaskedPicture, SeenPicture, seen_masks
from vitbench.faithfulness.scores import MapScores, class_leak, on_pixels, score_map
from vitbench.methods import find_method
from vitbench.models.inference import quiet
from vitbench.models.network import Network
from vitbench.progress import Progress, silent
from vitbench.statistics import spearman

CONTROLS = ("random", "oracle")
"""A map of random numbers, one a patch; and the mask itself."""
AT_ONCE = 8

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """One object to explain: picture number `picture`, class `number`, pixels `mask`.

    `others` are the pixels of other classes, or None. `first`: whether it is the picture's own class. `correct`:
    whether the network's likeliest class is the picture's own, or of several labels whether this one is given; None
    where the network does not know that class.
    """

    picture: int
    number: int
    mask: Mask
    others: Mask | None
    first: bool
    correct: bool | None


@dataclass(frozen=True)
class Record:
    """The numbers of one method's map of one target; None where a measure does not apply or was left out.

    `leak_chance` is what a uniform map leaks. `randomised` is the rank correlation of the map with the one of the same
    network with shuffled weights: near 0 where the map depends on what was learned (Adebayo et al. 2018).
    """

    method: str
    target: Target
    scores: MapScores
    leak: float | None = None
    leak_chance: float | None = None
    curves: BlankingAreas | None = None
    completeness_error: float | None = None
    randomised: float | None = None


@dataclass(frozen=True)
class Study:
    """All records, the pictures that they count into, and the sentences of methods that do not work here."""

    records: list[Record]
    pictures: list[SeenPicture]
    refusals: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def study(
    network: Network,
    pictures: Sequence[MaskedPicture],
    methods: Sequence[str],
    *,
    fill_with: str = "black",
    perturb: bool = True,
    randomise: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> Study:
    """Measures `methods` and the controls on pictures with masks.

    A class that the network has by name is explained, each class of a picture by itself; a picture of which it knows
    none is explained by its likeliest class, against all objects together. fill_with: "black" or "mean", what a
    blanked pixel is. Raises UserError if no picture or no method is left.
    """
    methods = [find_method(method) for method in methods]
    with quiet(network.module) as module:
        device = next(module.parameters()).device
        seen, problems = _seen_pictures(pictures, network, progress)
        targets = list(_targets(network, seen, device))
        blank = fill(Subject.of(network, module, torch.zeros(1, 3, *network.image_size, device=device)), fill_with)
        other = replace(network, module=shuffled_weights(module, seed)) if randomise else None
        records: list[Record] = []
        refusals: dict[str, str] = {}
        total, done = (len(methods) + len(CONTROLS)) * len(targets), 0
        for method in (*methods, *CONTROLS):
            try:
                for start in range(0, len(targets), AT_ONCE):
                    some = targets[start : start + AT_ONCE]
                    pixels = _normalised(network, seen, some, device)
                    for target, picture, found in zip(
                        some, pixels, _maps(network, other, method, pixels, some, seed), strict=True
                    ):
                        record = _scored(method, target, found)
                        if perturb:
                            random = np.random.default_rng([seed, target.picture, target.number])
                            order = pixel_order(found.ordering, random)
                            areas = curves(module, picture, target.number, order, blank, network.multilabel)
                            record = replace(record, curves=areas)
                        records.append(record)
                    done += len(some)
                    progress(done, total, "measuring maps")
            except UserError as error:
                refusals[method] = str(error)
                total -= len(targets)
    if methods and all(method in refusals for method in methods):
        raise UserError(refusals[methods[0]])
    return Study(records, seen, refusals, problems)


@dataclass(frozen=True)
class _Found:
    """A map at the picture's pixels. `ordering` is the order in which pixels are blanked."""

    values: Floats
    ordering: Floats
    completeness_error: float | None = None
    randomised: float | None = None


def shuffled_weights(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """A copy in which the numbers of each parameter stand in another order: what was learned is gone, the scale of
    every layer is not."""
    other = copy.deepcopy(module)
    with torch.no_grad():
        for number, parameter in enumerate(other.parameters()):
            generator = torch.Generator().manual_seed(seed * 100_003 + number)
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return other


def class_numbers(network: Network) -> dict[str, int]:
    """Class names, lower case, to numbers; each of the synonyms of ImageNet's names by itself."""
    names: dict[str, int] = {}
    for number, label in enumerate(network.labels or ()):
        for name in (label, *label.split(",")):
            names.setdefault(name.strip().lower(), number)
    return names


def _seen_pictures(
    pictures: Sequence[MaskedPicture], network: Network, progress: Progress
) -> tuple[list[SeenPicture], list[str]]:
    seen, problems = [], []
    for number, picture in enumerate(pictures, start=1):
        try:
            looked = seen_masks(picture, network.preprocessing)
        except UserError as error:
            problems.append(str(error))
            continue
        problems += [f"{problem}." for problem in looked.problems]
        if looked.masks:
            seen.append(looked)
        else:
            problems.append(f"{picture.file.name}: its mask covers nothing, or all, of what the network sees.")
        progress(number, len(pictures), "opening pictures and masks")
    if not seen:
        raise UserError(f"No picture with a mask can be used: {problems[0]}")
    return seen, problems


def _targets(network: Network, seen: Sequence[SeenPicture], device: torch.device) -> Iterator[Target]:
    known = class_numbers(network)
    for number, picture in enumerate(seen):
        with torch.no_grad():
            pixels = network.preprocessing.normalize(picture.pixels)[None].to(device)
            logits = network.module(pixels)[0]
        likeliest = int(logits.argmax())
        names = {name: known[name.lower()] for name in picture.masks if name is not None and name.lower() in known}
        if not names:
            yield Target(number, likeliest, np.logical_or.reduce([*picture.masks.values()]), None, True, None)
            continue
        own = next(iter(picture.masks))
        correct = names[own] == likeliest if own in names else None
        for name, label in names.items():
            if network.multilabel:
                correct = bool(network.probabilities(logits)[label] >= 0.5)
            rest = [mask for other, mask in picture.masks.items() if other != name]
            others = np.logical_or.reduce(rest) & ~picture.masks[name] if rest else None
            yield Target(number, label, picture.masks[name], others, name == own, correct)


def _normalised(
    network: Network, seen: Sequence[SeenPicture], targets: Sequence[Target], device: torch.device
) -> Tensor:
    return network.preprocessing.normalize(np.stack([seen[t.picture].pixels for t in targets])).to(device)


def _maps(
    network: Network, other: Network | None, method: str, pixels: Tensor, targets: Sequence[Target], seed: int
) -> Iterator[_Found]:
    height, width = network.image_size
    if method in CONTROLS:
        grid = Subject.of(network, network.module, pixels).grid
        for target in targets:
            if method == "random":
                random = np.random.default_rng([seed, target.picture, target.number, 1])
                values = on_pixels(random.random(grid), height, width)
                yield _Found(values, values)
            else:
                # Among the object's own pixels those go first that are farthest inside.
                inside = on_pixels(on_grid(target.mask, *grid), height, width)
                yield _Found(target.mask.astype(np.float64), target.mask + 0.5 * inside)
        return
    wanted = [target.number for target in targets]
    explanation = explain(network, pixels, method, wanted)
    elsewhere: Explanation | None = None if other is None else explain(other, pixels, method, wanted)
    for number in range(len(targets)):
        values = explanation.maps[number].cpu().numpy()
        large = on_pixels(values, height, width)
        error = explanation.completeness_error
        yield _Found(
            large,
            large,
            None if error is None else float(error[number]),
            None if elsewhere is None else spearman(values, elsewhere.maps[number].cpu().numpy()),
        )


def _scored(method: str, target: Target, found: _Found) -> Record:
    leak = leak_chance = None
    if target.others is not None and target.others.any():
        leak = class_leak(found.values, target.mask, target.others)
        leak_chance = float(target.others.sum() / (target.others.sum() + target.mask.sum()))
    return Record(
        method=method,
        target=target,
        scores=score_map(found.values, target.mask),
        leak=leak,
        leak_chance=leak_chance,
        completeness_error=found.completeness_error,
        randomised=found.randomised,
    )
