"""Which networks one can name in a dialog."""

from typing import TYPE_CHECKING

from screens.widgets.picker import Choice, matching

if TYPE_CHECKING:
    from screens.app import Workbench


def classifiers(workbench: "Workbench", typed: str) -> list[Choice]:
    """Runs that classify with their checkpoints, and the package's network; a path or a name is taken as typed."""
    choices = [Choice("demo", "the package's")]
    for run in workbench.snapshot.runs:
        if run.task != "caption":
            choices.append(Choice(f"{run.id}@last", f"{run.title}, newest checkpoint"))
            choices += [
                Choice(f"{run.id}@{entry.step}", f"{run.title}, step {entry.step:,}")
                for entry in workbench.store.find(run.id).checkpoints()
            ]
    return matching(choices, typed)
