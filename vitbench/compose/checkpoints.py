"""Which checkpoints of a run a request means now, so that a figure of it can be made again."""

from collections.abc import Sequence
from typing import Literal

from vitbench.compose.sources import Sources
from vitbench.errors import UserError


def pinned_steps(network: str, steps: Sequence[int] | Literal["all"], sources: Sources) -> tuple[str, list[int]]:
    """What finds the run again, and the steps of its checkpoints that are meant. Raises UserError if one is missing."""
    run = sources.store.find(network.partition("@")[0])
    there = [entry.step for entry in run.checkpoints()]
    wanted = there if steps == "all" else [int(step) for step in steps]
    if not there:
        raise UserError(f"Run {run.id} has no checkpoint yet.")
    if missing := [step for step in wanted if step not in there]:
        kept = ", ".join(f"{step:,}" for step in there)
        raise UserError(f"Run {run.id} has no checkpoint of step {missing[0]:,}; it has those of {kept}.")
    return run.reference, wanted
