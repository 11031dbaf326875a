"""Which networks one can name in a dialog."""

from typing import TYPE_CHECKING

from screens import wording
from screens.widgets.picker import Choice, matching
from vitbench.runs.store import Run

if TYPE_CHECKING:
    from screens.app import Workbench

_CHECKPOINTS_OF = 6
"""So few runs may be left of what was typed for each of their checkpoints to be listed: each is looked up on disk."""


def classifiers(workbench: "Workbench", typed: str) -> list[Choice]:
    """The package's network and the runs that classify, newest first, with their checkpoints once few runs are left.

    A path or a name is taken as typed. Nothing is read from disk while many runs fit, so that a key takes as long
    with a thousand runs as with ten.
    """
    runs = [run for run in reversed(workbench.snapshot.runs) if run.task != "caption" and run.step > 0]
    words = typed.lower().split()
    fitting = [run for run in runs if all(word in f"{run.title} {run.id}@".lower() for word in words)]
    choices = [Choice("demo", "the package's own network")]
    for run in fitting:
        said = ", ".join(part for part in (run.state, wording.model(run.model), wording.age(run.age())) if part)
        choices.append(Choice(f"{run.id}@last", f"newest checkpoint; {said}", shown=run.title))
    if len(fitting) <= _CHECKPOINTS_OF:
        for run in fitting:
            if run.best:
                choices.append(Choice(f"{run.id}@best", f"best checkpoint: {run.best}", shown=run.title))
            folder = Run(workbench.store.runs_folder / run.id)
            choices += [
                Choice(f"{run.id}@{entry.step}", f"checkpoint: step {entry.step:,}", shown=run.title)
                for entry in reversed(folder.checkpoints())
            ]
    return matching(choices, typed)
