"""What is wrong with a data set, file by file."""

from collections import Counter
from collections.abc import Iterable, Sequence
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


class LeftOut:
    """Files that could be read when the data was indexed and cannot be read any more; each counts once."""

    def __init__(self) -> None:
        self._noted: dict[str, Problem] = {}
        self._news: list[Problem] = []

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, problems: Iterable[Problem]) -> None:
        """Counts those that are new."""
        for problem in problems:
            if problem.file not in self._noted:
                self._noted[problem.file] = problem
                self._news.append(problem)

    def all(self) -> list[Problem]:
        """All that was noted so far."""
        return list(self._noted.values())

    def news(self) -> list[Problem]:
        """What was noted since the last call."""
        news, self._news = self._news, []
        return news


def sentence_of(problems: Sequence[Problem], shown: int = 5) -> str:
    """`2 pictures cannot be read any more and are left out: a.png (the file is empty), b.png (not a picture).`"""
    some = ", ".join(f"{problem.file} ({problem.reason})" for problem in problems[:shown])
    more = f" and {len(problems) - shown:,} others" if len(problems) > shown else ""
    count = "1 picture cannot be read any more and is" if len(problems) == 1 else f"{len(problems):,} pictures cannot"
    return f"{count}{'' if len(problems) == 1 else ' be read any more and are'} left out: {some}{more}."
