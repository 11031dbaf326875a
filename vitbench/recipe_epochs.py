"""Fewer epochs than a preset's first ones take, or more of the head's: what else they leave no room for is shortened,
and it is said."""

from collections.abc import Mapping
from typing import Any

from vitbench.recipe_tables import TrainTable


def fitted_to_epochs(before: Mapping[str, Any], changed: dict[str, Any], set_by_hand: set[str]) -> str:
    """Shortens the head's epochs and the warm-up in `changed` where somebody asked for fewer epochs than they take, or
    for epochs of the head that leave no room for the warm-up.

    They keep their share of the whole; at least one epoch of two trains the whole network. A warm-up that changes with
    the epoch takes whole ones. What somebody set themselves stays. Answers what was changed, in a sentence.
    """
    if not {"train.epochs", "train.head_epochs"} & set_by_hand:
        return ""
    train, schedule = (changed.get(name, {}) for name in ("train", "schedule"))
    tables = before.get("train", {})
    if not isinstance(train, dict) or not isinstance(schedule, dict) or not isinstance(tables, Mapping):
        return ""
    defaults = TrainTable()
    epochs: Any = train.get("epochs")
    whole: Any = tables.get("epochs", defaults.epochs)
    head: Any = train.get("head_epochs", defaults.head_epochs)
    warmup: Any = schedule.get("warmup_epochs", 0)
    head_before: Any = tables.get("head_epochs", defaults.head_epochs)
    numbers = epochs, whole, head, head_before, warmup
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers) or epochs < 1:
        return ""
    fewer = "train.epochs" in set_by_hand and epochs < whole and head + warmup >= epochs
    crowded = "train.head_epochs" in set_by_hand and head <= epochs < head + warmup
    if not (fewer or crowded):
        return ""
    new_head = head
    if "train.head_epochs" not in set_by_hand:
        new_head = min(round(head * epochs / whole), epochs - 1 if head < whole else epochs)
    left, left_before = epochs - new_head, whole - head_before
    new_warmup = warmup
    if "schedule.warmup_epochs" not in set_by_hand and left_before > 0:
        new_warmup = round(min(warmup * left / left_before, left), 3)
        new_warmup = int(new_warmup) if schedule.get("step_on") == "epoch" else new_warmup
    said = []
    if new_head != head:
        train["head_epochs"] = new_head
        said.append(f"train.head_epochs = {new_head} (it was {head})")
    if new_warmup != warmup:
        schedule["warmup_epochs"] = new_warmup
        said.append(f"schedule.warmup_epochs = {new_warmup:g} (it was {warmup:g})")
    fit = f"train.epochs = {epochs}" + (
        f" and train.head_epochs = {head}" if "train.head_epochs" in set_by_hand else ""
    )
    return f"{' and '.join(said)}, to fit {fit}." if said else ""
