"""What a run's log says of its data at the start: what was left out, changed, guessed or doubted."""

from vitbench.captions.index import CaptionIndex
from vitbench.data.index import DataIndex
from vitbench.data.problems import by_reason, left_out
from vitbench.data.summary import noted
from vitbench.text import counted

_MOST = 12


def data_remarks(data: object) -> list[str]:
    """A sentence for each; nothing of data that are all used as they are."""
    if isinstance(data, DataIndex):
        return _of_pictures(data)
    if isinstance(data, CaptionIndex):
        return _of_captions(data)
    return []


def _of_pictures(data: DataIndex) -> list[str]:
    said = noted(data)
    gone, kept = left_out(data.problems), [problem for problem in data.problems if not problem.left_out]
    for title, problems in (("Left out", gone), ("Kept, but worth knowing", kept)):
        said += [
            f"{title}: {counted(count, 'file')} ({reason})."
            for reason, count in by_reason(problems)[: _MOST - len(said)]
        ]
    return said


def _of_captions(data: CaptionIndex) -> list[str]:
    said = [data.drawn] if data.drawn else []
    for title, problems in (("left out", data.problems), ("changed or guessed", data.notes)):
        said += [f"{title}: {problem.rstrip('.')}." for problem in problems[: _MOST // 2]]
        if len(problems) > _MOST // 2:
            said.append(f"{len(problems) - _MOST // 2:,} more {title}; `vitbench data {data.root}` names them.")
    return said
