"""What a person is told of runs that have ended: at once by the terminal's bell, and later by a line in the list."""

import os
from collections.abc import Mapping, Sequence

from screens.snapshot import RunRow
from vitbench.settings import ENDS
from vitbench.text import clean, shortened

_MOST_NAMED = 3
_LONGEST = 200
_LONGEST_NAME = 40


def notice_sequence(words: str, environment: Mapping[str, str] = os.environ) -> str:
    """The bell, and the notice of OSC 9, which many terminals show on the desktop; tmux hands it on when it is wrapped
    (with `allow-passthrough`)."""
    notice = f"\x1b]9;{shortened(clean(words), _LONGEST)}\x07"
    if environment.get("TMUX"):
        wrapped = notice.replace("\x1b", "\x1b\x1b")
        return f"\x07\x1bPtmux;{wrapped}\x1b\\"
    if environment.get("TERM", "").startswith("screen"):
        return f"\x07\x1bP{notice}\x1b\\"
    return f"\x07{notice}"


def ended_since(runs: Sequence[RunRow], moment: float) -> list[RunRow]:
    """The runs that have ended by themselves after `moment` (seconds since the epoch), the last first."""
    ended = [run for run in runs if run.state in ENDS and run.ended_at is not None and run.ended_at > moment]
    return sorted(ended, key=lambda run: -(run.ended_at or 0.0))


def in_words(ended: Sequence[RunRow]) -> str:
    """What has ended, by state: `2 finished (a, b), 1 crashed (c)`; empty for none."""
    parts = []
    for state in ENDS:
        names = [shortened(run.title, _LONGEST_NAME) for run in ended if run.state == state]
        if names:
            more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            parts.append(f"{len(names)} {state} ({', '.join(names[:_MOST_NAMED])}{more})")
    return ", ".join(parts)
