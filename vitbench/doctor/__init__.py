"""What this machine, this terminal and this place for runs are good for: one line each, fine or with what to do.

`vitbench doctor` prints it, and the app's first screen shows it.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from vitbench.doctor.finding import Finding
from vitbench.text import clean


def examine(store: Path, colours: str = "auto", environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """All findings for runs in `store`; `colours` is the app's setting for colours.

    Nothing heavy is imported here, and the checks only now: torch is asked in a process of its own, and only where
    there is a GPU.
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
