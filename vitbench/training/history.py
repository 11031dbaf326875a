"""Checkpoints that are kept for looking back: weights without optimizer state, spread over the run, within a budget."""

from collections.abc import Iterable

from vitbench.recipe_tables import TrainTable

GIB = 2**30


def history_size(train: TrainTable, weights: int) -> int:
    """How many such checkpoints a run keeps, whose weights take so many bytes each; 0 where fewer than two fit."""
    fit = min(train.keep_checkpoints, int(train.keep_checkpoints_gib * GIB) // max(1, weights))
    return fit if fit > 1 else 0


def thinned(steps: Iterable[int], most: int) -> frozenset[int]:
    """At most so many of the steps, spread evenly: the first and the newest stay.

    While there are too many, the step goes whose neighbours are closest to each other, the newer one of equals. When a
    run saves at even distances, no gap is more than twice another one but for that before the newest.
    """
    kept = sorted(set(steps))
    if most < 1:
        return frozenset()
    while len(kept) > max(most, 2):
        gaps = [(kept[index + 1] - kept[index - 1], -kept[index]) for index in range(1, len(kept) - 1)]
        del kept[gaps.index(min(gaps)) + 1]
    return frozenset(kept[-most:])


def history_words(train: TrainTable, weights: int) -> str:
    """What a run keeps, as a sentence of its log."""
    if not train.keep_checkpoints:
        return "Of the checkpoints only the best and the last are kept (train.keep_checkpoints = 0)."
    size, most = _size(weights), train.keep_checkpoints
    budget, fit = f"{train.keep_checkpoints_gib:g} GiB", history_size(train, weights)
    if not fit:
        return (
            f"Of the checkpoints only the best and the last are kept: two more of {size} each do not fit "
            f"into train.keep_checkpoints_gib = {budget}."
        )
    fewer = f", fewer than train.keep_checkpoints = {most} to stay within {budget}" if fit < most else ""
    return (
        f"Besides the best and the last checkpoint, the weights of up to {fit} spread over the run are kept, {size} "
        f"each, without optimizer state{fewer}."
    )


def _size(weights: int) -> str:
    if weights > GIB / 20:
        return f"{weights / GIB:.2f} GiB"
    return f"{weights / 2**20:.1f} MiB" if weights > 2**20 / 10 else f"{weights / 2**10:.0f} KiB"
