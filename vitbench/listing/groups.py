"""Runs that differ by their seed alone as one row: the mean of their values, with the least and the greatest."""

import re
from collections.abc import Callable, Iterable, Sequence
from os.path import commonprefix
from statistics import fmean

from vitbench.comparing.recipes import SEED
from vitbench.comparing.scores import At, Score, Spread, spread
from vitbench.listing.rows import RunRow, value_words
from vitbench.text import counted

GROUP_ID = "group:"
"""What the id of a group begins with."""
_SEED = re.compile(r"(?i)seed[-_=. ]?\d+")
_STATES = ("running", "live", "queued", "paused", "crashed", "failed", "diverged", "stopped", "finished", "log")
"""Of these the first that a run has is the state of its group."""


def group_of(row: RunRow) -> object:
    """What is equal for runs that differ by their seed alone; None where that is not known.

    Of another tool's log the name without `seed3` in it: its recipe is not known.
    """
    if row.log_folder:
        return _SEED.sub("", row.name) if _SEED.search(row.name) else None
    return row.keys.group or None


class Groups:
    """Puts rows together; a group whose rows are as before stays the same object."""

    def __init__(self) -> None:
        self._known: dict[object, RunRow] = {}

    def of(self, rows: Iterable[RunRow]) -> list[RunRow]:
        """The rows, with those of each group of two or more as one, in the place of the first."""
        members: dict[object, list[RunRow]] = {}
        for row in rows:
            group = group_of(row)
            members.setdefault(row.id if group is None else ("group", group), []).append(row)
        found = []
        for key, own in members.items():
            if len(own) == 1:
                found.append(own[0])
                continue
            known = self._known.get(key)
            if known is None or len(known.members) != len(own) or any(map(_differ, known.members, own)):
                known = self._known[key] = group_row(own)
            found.append(known)
        return found


def _differ(one: RunRow, other: RunRow) -> bool:
    return one is not other


def group_row(members: Sequence[RunRow]) -> RunRow:
    """One row for two runs or more; means of what they have measured."""
    first = members[0]
    best = row_spread(members, lambda row: row.best_value)
    tags = dict.fromkeys(tag for row in members for tag in row.scores)
    curves = [row.sparkline for row in members if row.sparkline]
    equal = curves and len({len(curve) for curve in curves}) == 1
    return RunRow(
        id=f"{GROUP_ID}{first.id}",
        name=f"{_common_name(members)} ({_counted(members)})",
        state=next((state for state in _STATES if any(row.state == state for row in members)), first.state),
        task=first.task,
        model=first.model,
        data=first.data,
        preset=first.preset,
        step=max(row.step for row in members),
        total_steps=first.total_steps,
        epoch=min(row.epoch for row in members),
        epochs=first.epochs,
        loss=_mean(row.loss for row in members),
        score=_mean(row.score for row in members),
        score_metric=next((row.score_metric for row in members if row.score_metric), ""),
        rate=_mean(row.rate for row in members),
        rate_of=first.rate_of,
        eta_seconds=max((row.eta_seconds for row in members if row.eta_seconds is not None), default=None),
        created_at=max(row.created_at for row in members),
        best_metric=first.best_metric,
        best_value=best.mean if best is not None else None,
        best_step=max(row.best_step for row in members),
        tags=tuple(dict.fromkeys(tag for row in members for tag in row.tags)),
        archived=all(row.archived for row in members),
        sparkline=tuple(fmean(values) for values in zip(*curves, strict=True)) if equal else (),
        keys=first.keys,
        scores={tag: _score([row.scores[tag] for row in members if tag in row.scores]) for tag in tags},
        log_folder=first.log_folder,
        members=tuple(members),
    )


def _counted(members: Sequence[RunRow]) -> str:
    """How many seeds a group has; of runs with one seed, how many runs. A seed that is not known is its own."""
    known = {member.keys.get(SEED, member.id) for member in members}
    if len(known) == len(members):
        return f"{len(members)} seeds"
    return f"{len(members)} runs of {counted(len(known), 'seed')}"


def row_spread(members: Sequence[RunRow], value: Callable[[RunRow], float | None]) -> Spread | None:
    """Mean, least and greatest of one value of the members; None if none has it."""
    return spread([value(row) for row in members])


def spread_words(name: str, found: Spread) -> str:
    """A spread as people read it: `94.1% (93.7 to 94.5%)`."""
    low, high = value_words(name, found.low), value_words(name, found.high)
    if low.endswith("%") and high.endswith("%"):
        low = low[:-1]
    return f"{value_words(name, found.mean)} ({low} to {high})"


def seeds(row: RunRow) -> str:
    """The seeds of a group's runs, as far as they are known."""
    known = [member.keys[SEED] for member in row.members if SEED in member.keys]
    return ", ".join(map(str, sorted(known, key=lambda seed: (isinstance(seed, str), seed))))


def _mean(values: Iterable[float | None]) -> float | None:
    found = spread(list(values))
    return found.mean if found is not None else None


def _score(scores: Sequence[Score]) -> Score:
    return Score(*(_mean_at([getattr(score, which) for score in scores]) for which in ("best", "last")))


def _mean_at(found: Sequence[At | None]) -> At | None:
    known = [at for at in found if at is not None]
    return At(fmean(at.value for at in known), max(at.step for at in known)) if known else None


def _common_name(members: Sequence[RunRow]) -> str:
    """What the names begin with; the first name where that says nothing."""
    titles = [_SEED.sub("", row.title).strip(" -_/") if row.log_folder else row.title for row in members]
    common = commonprefix(titles).rstrip(" -_./(")  # noqa: RUF071 - names, not paths
    return common if len(common) > 2 or common in titles else titles[0]
