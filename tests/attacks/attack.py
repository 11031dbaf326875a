"""Runs one attack after the other and judges: a fault is any exception but UserError, a hang, memory, or harm done."""

import faulthandler
import random
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vitbench.errors import UserError

SECONDS = 10.0
"""For one input; a machine with other work on it is slow."""
MEMORY = 600
"""MB by which the process may grow during all attacks on one target, besides what its first good input takes."""


class Hang(BaseException):
    """An input took too long; no handler of ours may take it for an error."""


class Harm(AssertionError):
    """Something was lost, written outside, executed, or printed raw."""


@dataclass
class Target:
    """What is attacked. `attempt` gets a seed and a folder, makes an input, reads it, and says what it was.

    It raises UserError for a refusal, and Harm for what must not happen.
    """

    name: str
    share: float
    """Of all inputs."""
    prepare: Callable[[Path], Callable[[random.Random, Path], str]]


@dataclass
class Outcome:
    """What happened to the inputs of one target."""

    name: str
    taken: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    slowest: float = 0.0
    grown: int = 0
    """MB"""
    sentences: Counter[str] = field(default_factory=Counter)

    @property
    def inputs(self) -> int:
        """All of them."""
        return self.taken + self.refused + len(self.faults)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    # A call that never comes back to Python ends the process with a trace of where it stands.
    faulthandler.dump_traceback_later(6 * seconds, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def run(target: Target, count: int, seed: int, folder: Path) -> Outcome:
    """Attacks one target with `count` inputs in a folder of its own."""
    place, outside = folder / target.name.replace(" ", "_"), folder / "outside"
    place.mkdir(parents=True)
    outside.mkdir(exist_ok=True)
    (outside / "precious").write_text("untouched")
    attempt = target.prepare(place)
    outcome = Outcome(target.name)
    before, began = _megabytes(), time.monotonic()
    for number in range(count):
        label = f"{target.name}/{seed}/{number}"
        started = time.monotonic()
        try:
            with _at_most(SECONDS):
                attempt(random.Random(label), place)
            outcome.taken += 1
        except UserError as error:
            outcome.refused += 1
            sentence = str(error)
            outcome.sentences[type(error).__name__] += 1
            if not sentence or len(sentence) > 4000 or "Traceback" in sentence:
                outcome.faults.append(f"{label}: a sentence of {len(sentence)} characters")
        except (Exception, Hang) as error:  # noqa: BLE001 - any exception is what is looked for
            frames = traceback.extract_tb(error.__traceback__)
            last = frames[-2 if isinstance(error, Hang) and len(frames) > 1 else -1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            outcome.faults.append(f"{label}: {type(error).__name__} at {where}: {str(error)[:160]!r}")
        outcome.slowest = max(outcome.slowest, time.monotonic() - started)
    outcome.seconds = time.monotonic() - began
    outcome.grown = _megabytes() - before
    if outcome.grown > MEMORY:
        outcome.faults.append(f"{target.name}: {outcome.grown} MB of memory")
    found = sorted(entry.name for entry in folder.iterdir() if entry != place)
    if (outside / "precious").read_text() != "untouched" or list(outside.iterdir()) != [outside / "precious"]:
        outcome.faults.append(f"{target.name}: wrote outside its folder")
    if any(name.startswith("executed") for name in found):
        outcome.faults.append(f"{target.name}: a payload ran")
    return outcome


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def table(outcomes: list[Outcome]) -> str:
    """A Markdown table of what happened."""
    lines = [
        "| target | inputs | taken | refused in a sentence | faults | slowest | memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in outcomes:
        lines.append(
            f"| {one.name} | {one.inputs:,} | {one.taken:,} | {one.refused:,} | {len(one.faults)} |"
            f" {one.slowest:.2f} s | +{one.grown} MB |"
        )
    total = [sum(getattr(one, name) for one in outcomes) for name in ("inputs", "taken", "refused")]
    faults = sum(len(one.faults) for one in outcomes)
    lines.append(f"| all | {total[0]:,} | {total[1]:,} | {total[2]:,} | {faults} | | |")
    return "\n".join(lines) + "\n"
