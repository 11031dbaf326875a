"""Unequal classes: a weight for each in the loss, or an epoch that shows each equally often."""

from collections.abc import Mapping, Sequence

import numpy as np

from vitbench.data.randomness import ORDER, generator
from vitbench.errors import UserError
from vitbench.nearest import nearest


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """A weight for each class, float64 [num_classes]: N / (K n_k) for n_k of N pictures in the k-th of K classes.

    A picture's mean weight is 1, so the loss keeps its scale. A class without pictures has 1. This is scikit-learn's
    "balanced" (King & Zeng 2001).
    """
    counts = np.bincount(labels, minlength=num_classes)
    known = counts > 0
    return np.where(known, len(labels) / (max(1, int(known.sum())) * np.maximum(counts, 1)), 1.0)


def class_weights(
    said: str | Mapping[str, float] | None, labels: np.ndarray, classes: Sequence[str], num_classes: int
) -> np.ndarray | None:
    """What a recipe's `data.class_weights` says, float64 [num_classes]; None where it says nothing.

    Raises UserError for a class that there is not, and if no class of `labels` has a weight.
    """
    if said is None:
        return None
    if isinstance(said, str):
        return balanced_weights(labels, num_classes)
    weights = np.ones(num_classes)
    check_weighted(said, classes)
    for name, weight in said.items():
        weights[classes.index(name)] = weight
    if not weights[np.unique(labels)].any():
        raise UserError("data.class_weights gives every class the weight 0, so nothing would be learned.")
    return weights


def check_weighted(said: str | Mapping[str, float] | None, classes: Sequence[str]) -> None:
    """Raises UserError if `data.class_weights` names a class that the data do not have."""
    for name in said if isinstance(said, Mapping) else ():
        if name not in classes:
            near = nearest(name, classes)
            some = ", ".join(classes[:8]) + (" ..." if len(classes) > 8 else "")
            hint = f"; perhaps you mean {near}" if near else f"; the classes are {some}"
            raise UserError(f"data.class_weights names the class {name}, which the data do not have{hint}.")


def balanced_order(labels: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """Numbers of samples for an epoch of N, int64 [N], that shows each of K classes N/K times: f(seed, epoch).

    Within a class each picture comes equally often (once more or less). The k-th repeat of sample i is the number
    i + k N, so that repeats can be augmented differently.
    """
    chance = generator(ORDER, seed, epoch)
    classes = np.unique(labels)
    quotas = np.full(len(classes), len(labels) // len(classes))
    quotas[chance.permutation(len(classes))[: len(labels) % len(classes)]] += 1
    drawn = [
        _repeated(np.flatnonzero(labels == k), int(n), len(labels), chance)
        for k, n in zip(classes, quotas, strict=True)
    ]
    return chance.permutation(np.concatenate(drawn))


def _repeated(members: np.ndarray, count: int, total: int, chance: np.random.Generator) -> np.ndarray:
    rounds = [chance.permutation(members) + total * number for number in range(-(-count // len(members)))]
    return np.concatenate(rounds)[:count] if rounds else members[:0]


def said_balance(counts: Mapping[str, int]) -> str:
    """A sentence where one class has over ten times as many training pictures as another; else empty."""
    known = {name: count for name, count in counts.items() if count}
    if len(known) < 2:
        return ""
    least, most = min(known, key=lambda name: known[name]), max(known, key=lambda name: known[name])
    if known[most] <= 10 * known[least]:
        return ""
    return (
        f"The classes are unequal: {known[most]:,} training pictures of {most}, {known[least]:,} of {least};"
        ' data.class_weights = "balanced" or data.sampler = "balanced" makes up for it, and'
        ' train.monitor = "mean_class_accuracy" judges by each class alike.'
    )
