"""What takes long and belongs to a run (evaluation, report, export): one at a time, aside, told in a line."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitbench.errors import UserError
from vitbench.inspector.client import InspectorError
from vitbench.progress import progress_words
from vitbench.text import counted

if TYPE_CHECKING:
    from screens.app import Workbench

_SECONDS_BETWEEN = 0.5
"""Between two reports of progress: a line over SSH is not flooded."""


@dataclass(frozen=True)
class Evaluating:
    """What there is to say of a run's evaluation, in a colour of the theme; `name` is its file, when it is done."""

    run_id: str
    words: str
    colour: str = "secondary"
    going: bool = False
    name: str = ""


class Evaluator:
    """Holds what is said of the last evaluation, also while no screen shows it."""

    def __init__(self, workbench: "Workbench") -> None:
        self.workbench = workbench
        self.now: Evaluating | None = None
        self._what, self._since, self._told = "", 0.0, 0.0

    def shown_with(self, run_id: str) -> Evaluating | None:
        """What to show beside this run: of itself, else of the one that is being evaluated."""
        return self.now if self.now and (self.now.going or self.now.run_id == run_id) else None

    def forget(self, run_id: str) -> None:
        """The outcome has been seen."""
        if self.now and self.now.run_id == run_id and not self.now.going:
            self.now = None

    async def evaluate(self, run_id: str, data: str) -> None:
        """Evaluates the best checkpoint on the run's own pictures, or on those in the folder `data`; previews go on."""

        def said(values: Mapping[str, Any]) -> Evaluating:
            left_out = int(values["left_out"])
            words = str(values["sentence"]) + (f", {counted(left_out, 'file')} left out" if left_out else "")
            return Evaluating(run_id, words, "success", name=str(values["name"]))

        await self._aside(run_id, "evaluation", said, "evaluate", network=run_id, data=data)

    async def report(self, run_id: str, request: Mapping[str, Any], folder: str) -> None:
        """Writes the report of a run, with the values of a `ReportRequest`, into a folder."""

        def said(values: Mapping[str, Any]) -> Evaluating:
            words = [f"The report is {Path(str(values['folder'])) / str(values['files'][0])}.", *values["notes"]]
            return Evaluating(run_id, " ".join(map(str, words)), "success")

        await self._aside(run_id, "report", said, "report", request=dict(request), folder=folder)

    async def export(self, run_id: str, form: str, folder: str) -> None:
        """Writes the network of a run's best checkpoint into a folder that other libraries load."""

        def said(values: Mapping[str, Any]) -> Evaluating:
            words = [f"The network is in {values['folder']}.", str(values["checked"]), *values["notes"]]
            return Evaluating(run_id, " ".join(map(str, words)), "success")

        await self._aside(run_id, "export", said, "export_network", network=run_id, format=form, folder=folder)

    async def _aside(
        self, run_id: str, what: str, said: Callable[[Mapping[str, Any]], Evaluating], request: str, /, **arguments: Any
    ) -> None:
        """Asks the inspector for `what`, with its progress in the line; one such work goes on at a time."""
        self._say(Evaluating(run_id, "Starting ...", going=True))
        try:
            answer = await self.workbench.inspector.ask(request, progress=self._progress, **arguments)
        except asyncio.CancelledError:
            self._say(Evaluating(run_id, f"The {what} was cancelled.", "warning"))
            raise
        except UserError as error:
            self._end(Evaluating(run_id, str(error), "error"))
        except InspectorError as error:
            self._end(Evaluating(run_id, f"The {what} failed: {error}.", "error"))
        else:
            self._end(said(answer.values))

    def _progress(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._since, self._told = what, now, 0.0
        if self.now and self.now.going and now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self._say(Evaluating(self.now.run_id, progress_words(done, total, what, now - self._since), going=True))

    def _say(self, evaluating: Evaluating) -> None:
        self.now = evaluating
        self.workbench.show_snapshot()

    def _end(self, evaluating: Evaluating) -> None:
        """Says how it went, where nobody looks at the run in a notice."""
        self._say(evaluating)
        self.workbench.watcher.wake()
        if not any(screen.query("#evaluating") for screen in self.workbench.screen_stack[-1:]):
            run = self.workbench.snapshot.run(evaluating.run_id)
            words = f"{run.title if run else evaluating.run_id}: {evaluating.words}"
            self.workbench.tell(words, "error" if evaluating.colour == "error" else "information")
