"""The nearest name to one that there is not: most unknown names are misspelt ones."""

import heapq
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

_LOOKED_AT = 40
"""Names that are compared letter by letter."""
_MOST_BESIDE = 5000
"""Names of a folder that are looked at."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name of `known` that `word` was likely meant to be; None where none is near."""
    import difflib

    names = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), _likely(word.casefold(), names), n=1, cutoff=0.5)
    return names[close[0]] if close else None


def perhaps(word: str, known: Iterable[str]) -> str:
    """What an error says after the unknown name: `, perhaps you mean NAME`, or nothing."""
    name = nearest(word, known)
    return f", perhaps you mean {name}" if name is not None else ""


def perhaps_path(path: str | os.PathLike[str]) -> str:
    """As `perhaps`, of a path that there is not: the first part that is missing, by what lies beside it.

    Only a path that then leads somewhere is offered, written as the person wrote theirs.
    """
    given = str(path)
    try:
        parts = Path(given).parts
        there = Path(given).expanduser()
        missing = next(n for n in range(1, len(parts) + 1) if not os.path.lexists(Path(*parts[:n]).expanduser()))
        beside = Path(*parts[: missing - 1]) if missing > 1 else Path()
        with os.scandir(beside.expanduser()) as entries:
            names = [entry.name for entry in islice(entries, _MOST_BESIDE)]
    except (OSError, ValueError, RuntimeError, StopIteration):
        return ""
    name = nearest(parts[missing - 1], names)
    if name is None:
        return ""
    meant = Path(beside, name, *parts[missing:])
    return f", perhaps you mean {meant}" if meant.expanduser().exists() and there != meant.expanduser() else ""


def _likely(word: str, known: Iterable[str]) -> list[str]:
    """The few names that are worth a close look: that takes 0.1 s of a thousand, which is too long for a key."""
    continued = [name for name in known if len(word) > 2 and name.startswith(word)]
    if continued:
        return [min(continued, key=len)]
    pairs = {word[place : place + 2] for place in range(len(word) - 1)}
    return heapq.nlargest(_LOOKED_AT, known, key=lambda name: sum(pair in name for pair in pairs))
