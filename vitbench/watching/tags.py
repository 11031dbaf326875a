"""What the scalars of other tools measure, told by their names alone."""

import re
from collections.abc import Callable, Iterable

_HELD_OUT = ("val", "eval", "test", "dev")
_TRAIN = ("train",)
_WORDS = re.compile(r"[^a-z0-9]+")


def loss_and_accuracy(tags: Iterable[str]) -> tuple[str, str]:
    """The training loss and the held-out accuracy among some scalars; empty for what none looks like."""
    known = sorted(tags, key=lambda tag: (len(tag), tag))
    losses = [tag for tag in known if "loss" in _words(tag)]
    loss = _first(losses, lambda tag: _is_of(tag, _TRAIN)) or _first(losses, lambda tag: not _is_of(tag, _HELD_OUT))
    accuracies = [tag for tag in known if {"acc", "accuracy", "top1", "acc1"} & set(_words(tag)) and not _is_top5(tag)]
    accuracy = _first(accuracies, lambda tag: _is_of(tag, _HELD_OUT))
    return loss or next(iter(losses), ""), accuracy or next(iter(accuracies), "")


def _first(tags: Iterable[str], test: Callable[[str], bool]) -> str:
    return next(filter(test, tags), "")


def _words(tag: str) -> list[str]:
    return [word for word in _WORDS.split(tag.lower()) if word]


def _is_of(tag: str, splits: tuple[str, ...]) -> bool:
    return any(word.startswith(splits) for word in _words(tag))


def _is_top5(tag: str) -> bool:
    return "5" in tag.rpartition("/")[2]
