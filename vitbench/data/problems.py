"""What is wrong with a data set, file by file."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A file that is wrong, and why. `left_out` is false where the sample stays and a person should know."""

    file: str
    reason: str
    left_out: bool = True


def left_out(problems: Iterable[Problem]) -> list[Problem]:
    """The problems whose file takes no part."""
    return [problem for problem in problems if problem.left_out]


def by_reason(problems: Iterable[Problem]) -> list[tuple[str, int]]:
    """Reasons with how often each occurs, the most frequent first. Places in brackets do not tell reasons apart."""
    return Counter(problem.reason.partition(" (")[0] for problem in problems).most_common()
