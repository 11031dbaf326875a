"""The states of a run, and who may change which into which; `docs/run-states.md` says what each means."""

from typing import Literal

State = Literal["queued", "running", "paused", "stopped", "finished", "failed", "diverged", "crashed"]

ENDED: tuple[State, ...] = ("stopped", "finished", "failed", "diverged", "crashed")
STARTABLE: tuple[State, ...] = ("queued", "paused", "stopped", "failed", "crashed")
"""The states from which a worker may be started."""

Actor = Literal["person", "launcher", "scheduler", "worker"]
"""`person` is every command and key; `launcher` is whoever starts a worker, and holds the run's lock meanwhile."""

TRANSITIONS: dict[Actor, dict[State, tuple[State, ...]]] = {
    "person": {
        "queued": ("paused", "stopped"),
        "running": ("stopped", "crashed"),
        "paused": ("stopped",),
        "crashed": ("stopped",),
    },
    "launcher": {
        "queued": ("running", "queued"),
        "running": ("crashed", "queued", "paused", "stopped", "failed"),
        "paused": ("running", "queued"),
        "stopped": ("running", "queued"),
        "failed": ("running", "queued"),
        "crashed": ("running", "queued"),
    },
    "scheduler": {
        "queued": ("failed",),
        "running": ("crashed", "stopped"),
    },
    "worker": {
        "running": ("running", "paused", "stopped", "finished", "failed", "diverged"),
    },
}


def is_allowed(by: Actor, before: State, after: State) -> bool:
    """Whether `by` may change `before` into `after`."""
    return after in TRANSITIONS[by].get(before, ())
