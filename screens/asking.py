"""Screens that ask the inspector: one way to ask, and one line that says what is being done or why it failed."""

from pathlib import Path
from typing import Any

from rich.text import Text

from screens.base import WorkbenchScreen
from screens.widgets.lines import Line
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.inspector.client import InspectorError, Superseded
from vitbench.runs.store import Run
from vitbench.text import clean


class AskingScreen(WorkbenchScreen):
    """Subclasses have a Line with the id `note`, and show pictures."""

    SHOWS_PICTURES = True

    async def _ask(self, request: str, *, replaces: str = "", **arguments: Any) -> Any:
        """The answer, or None when there is none: then the note says why."""

        def progress(done: int, total: int, what: str) -> None:
            self._note(f"{what} {done} of {total}" if total else f"{what} ...")

        inspector = self.workbench.inspector
        try:
            return await inspector.ask(request, progress=progress, replaces=replaces, **arguments)
        except Superseded:
            return None
        except (UserError, InspectorError) as error:
            self._note(str(error), "error")
        return None

    def _note(self, text: str, colour: str = "secondary") -> None:
        self.query_one("#note", Line).show(Text(f" {clean(text)}", self.app.theme_variables[colour]))

    def _note_saved(self, file: str) -> None:
        """Where a file is, and how to fetch it."""
        words = Text(f" Saved {clean(file)}", self.app.theme_variables["success"])
        if line := scp_line(Path(file)):
            words.append(f"\n {clean(line)}")
        self.query_one("#note", Line).show(words)

    def _named(self, reference: str) -> str:
        """A network for people: of a run its title and its checkpoint, and whether it is training still."""
        run = self.workbench.snapshot.run(reference.partition("@")[0])
        if run is None:
            return reference
        if reference.endswith(" before"):
            return f"what {run.title} started from"
        training = ", training" if run.state == "running" else ""
        return f"{run.title}{training}: checkpoint of step {reference.partition('@')[2]}"

    def _has_newer(self, reference: str, shown: str) -> bool:
        """Whether `reference`, a `RUN@last`, means another checkpoint now than `shown`, a `RUN@STEP`."""
        run_id, _, which = reference.partition("@")
        if which != "last" or self.workbench.snapshot.run(run_id) is None:
            return False
        try:
            newest = Run(self.workbench.store_folder / "runs" / run_id).checkpoint(which).step
        except UserError:
            return False
        return str(newest) != shown.partition("@")[2]

    def _figures_folder(self, reference: str, otherwise: str = "figures") -> Path:
        """A run's own folder of figures; for other networks one in the working folder."""
        run_id = reference.partition("@")[0]
        if self.workbench.snapshot.run(run_id) is not None:
            return self.workbench.store_folder / "runs" / run_id / "figures"
        return Path.cwd() / otherwise
