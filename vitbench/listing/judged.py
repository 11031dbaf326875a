"""The one number by which a run is judged at a glance: its accuracy, or what its task has in the place of one."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WORDS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class ScoreName:
    """A scalar as the head of a narrow column says it, and in words."""

    short: str
    words: str

    def within(self, width: int) -> str:
        """The words where there is room for them."""
        return self.words if len(self.words) <= width else self.short


_NAMES = {
    "accuracy": ScoreName("Acc", "accuracy"),
    "mean_class_accuracy": ScoreName("Class acc", "mean class accuracy"),
    "token_accuracy": ScoreName("Next word", "accuracy of the next word"),
    "mean_average_precision": ScoreName("mAP", "mean average precision"),
    "macro_f1": ScoreName("F1", "F1, each class alike"),
    "exact_match": ScoreName("Exact", "exact match"),
    "cider": ScoreName("CIDEr", "CIDEr"),
    "bleu4": ScoreName("BLEU-4", "BLEU-4"),
}
_LIKE_ACCURACY = ("acc", "accuracy", "top1", "acc1")
_ACCURACY = _NAMES["accuracy"]
SCORE = ScoreName("Score", "score")
"""What several scalars are called together."""


def judged(latest: Mapping[str, float], monitored: str) -> tuple[str, float | None]:
    """The tag and the value: the accuracy where it was measured, else the scalar that the task monitors; "" and None
    where neither was measured yet."""
    for tag in ("validation/accuracy", monitored):
        if tag in latest:
            return tag, latest[tag]
    return "", None


def score_name(tag: str) -> ScoreName:
    """What a scalar is called; other tools' accuracies as ours."""
    name = tag.rpartition("/")[2]
    if known := _NAMES.get(name.lower()):
        return known
    return _ACCURACY if is_accuracy(tag) else ScoreName(name[:9], name.replace("_", " "))


def is_accuracy(tag: str) -> bool:
    """Whether a scalar is the share of pictures that are right, by its name; one of classes or words is not."""
    if tag.rpartition("/")[2].lower() in _NAMES.keys() - {"accuracy"}:
        return False
    return not {*_LIKE_ACCURACY}.isdisjoint(_WORDS.split(tag.lower()))


def common_name(tags: Iterable[str]) -> ScoreName:
    """What the scores of several runs are called: their own name where all have the same one, else `SCORE`."""
    names = {score_name(tag) for tag in {tag for tag in tags if tag}}
    return names.pop() if len(names) == 1 else SCORE if names else _ACCURACY
