"""The nearest name to one that there is not: most unknown names are misspelt ones."""

import heapq
from collections.abc import Iterable

_LOOKED_AT = 40
"""Names that are compared letter by letter."""


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


def _likely(word: str, known: Iterable[str]) -> list[str]:
    """The few names that are worth a close look: that takes 0.1 s of a thousand, which is too long for a key."""
    continued = [name for name in known if len(word) > 2 and name.startswith(word)]
    if continued:
        return [min(continued, key=len)]
    pairs = {word[place : place + 2] for place in range(len(word) - 1)}
    return heapq.nlargest(_LOOKED_AT, known, key=lambda name: sum(pair in name for pair in pairs))
