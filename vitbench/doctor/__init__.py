"""What this machine, this terminal and this place for runs are good for: one line each, fine or with what to do.

`vitbench doctor` prints it, and the app's first screen shows it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vitbench.text import clean


@dataclass(frozen=True)
class Finding:
    """One line. `advice` is "" where all is fine; a `serious` one means that something will not work."""

    topic: str
    words: str
    advice: str = ""
    serious: bool = False

    @property
    def is_fine(self) -> bool:
        """Whether there is nothing to do."""
        return not self.advice

    def as_dict(self) -> dict[str, object]:
        """For JSON; `state` is `fine`, `advice` or `problem`."""
        state = "fine" if self.is_fine else "problem" if self.serious else "advice"
        return {**asdict(self), "state": state}


def examine(store: Path, colours: str = "auto", environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """All findings for runs in `store`; `colours` is the app's setting for colours.

    Nothing heavy is imported here: torch is asked in a process of its own, and only where there is a GPU.
    """
    from vitbench.doctor import machine, place, session

    checks: tuple[Callable[[], Finding | list[Finding]], ...] = (
        machine.python,
        machine.packages,
        lambda: machine.gpus(environment),
        machine.memory,
        lambda: place.writing(store),
        lambda: place.disk(store),
        lambda: place.locks(store),
        lambda: session.colours(environment, colours),
        lambda: session.signs(environment),
        lambda: session.line(environment),
        lambda: session.logout(environment),
        lambda: machine.extras(environment),
    )
    findings: list[Finding] = []
    for check in checks:
        found = check()
        findings += found if isinstance(found, list) else [found]
    return [
        Finding(finding.topic, clean(finding.words), clean(finding.advice), finding.serious) for finding in findings
    ]
