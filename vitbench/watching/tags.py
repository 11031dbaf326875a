"""What the scalars of other tools measure, told by their names alone."""

import re
from collections.abc import Callable, Iterable

_HELD_OUT = ("val", "eval", "test", "dev")
_TRAIN = ("train",)
_SCORES = (
    *("map", "mean_average_precision", "average_precision", "f1", "auroc", "auc", "miou", "iou", "dice"),
    *("exact_match", "cider", "bleu", "bleu4", "bleu_4", "rougel", "rouge_l", "psnr", "r2"),
    *("mae", "mean_absolute_error", "rmse", "mse", "mean_squared_error", "wer", "cer", "perplexity"),
)
"""What trainings without an accuracy are judged by: several labels, parts of pictures, sentences, numbers."""
_WORDS = re.compile(r"[^a-z0-9]+")


def loss_and_score(tags: Iterable[str]) -> tuple[str, str]:
    """The training loss and the held-out score among some scalars; empty for what none looks like.

    The score is an accuracy; of a training that logs none the first of `_SCORES` that it has.
    """
    known = sorted(tags, key=lambda tag: (len(tag), tag))
    losses = [tag for tag in known if "loss" in _words(tag)]
    loss = _first(losses, lambda tag: _is_of(tag, _TRAIN)) or _first(losses, lambda tag: not _is_of(tag, _HELD_OUT))
    accuracies = [tag for tag in known if {"acc", "accuracy", "top1", "acc1"} & set(_words(tag)) and not _is_top5(tag)]
    others = [tag for score in _SCORES for tag in known if _measures(tag, score)]
    scores = accuracies or others
    score = _first(scores, lambda tag: _is_of(tag, _HELD_OUT))
    return loss or next(iter(losses), ""), score or next(iter(scores), "")


def _first(tags: Iterable[str], test: Callable[[str], bool]) -> str:
    return next(filter(test, tags), "")


def _words(tag: str) -> list[str]:
    return [word for word in _WORDS.split(tag.lower()) if word]


def _measures(tag: str, score: str) -> bool:
    """Whether the words of a score stand in a tag one after the other."""
    return f"_{score}_" in f"_{'_'.join(_words(tag))}_"


def _is_of(tag: str, splits: tuple[str, ...]) -> bool:
    return any(word.startswith(splits) for word in _words(tag))


def _is_top5(tag: str) -> bool:
    return "5" in tag.rpartition("/")[2]
