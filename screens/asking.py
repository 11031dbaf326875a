"""Screens that ask the inspector: one way to ask, and one line that says what is being done or why it failed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import work

from screens.base import WorkbenchScreen
from screens.snapshot import Snapshot
from screens.widgets.note import Note
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.figures.sheet import Sheet, sheet_from
from vitbench.inspector.client import InspectorError, Superseded
from vitbench.requests.base import Request
from vitbench.requests.drawing import ARRAYS_ENDING, FIGURE_ENDINGS, Drawing
from vitbench.runs.store import Run
from vitbench.text import clean

SAID_AFTER = 0.5
"""Seconds after which a person is told how long it has taken and how to cancel it."""


class AskingScreen(WorkbenchScreen):
    """Subclasses have a Note with the id `note`, and show pictures."""

    SHOWS_PICTURES = True

    async def _ask(self, request: str, /, *, replaces: str = "", quiet: bool = False, **arguments: Any) -> Any:
        """The answer, or None when there is none: then the note says why, unless it is to be `quiet`."""

        began = time.monotonic()

        def progress(done: int, total: int, what: str) -> None:
            if quiet:
                return
            words = f"{what[:1].upper()}{what[1:]}" + (f": {done:,} of {total:,}" if total else " ...")
            waited = time.monotonic() - began
            self._note(f"{words}   {waited:.0f} s; esc cancels" if waited >= SAID_AFTER else words)

        inspector = self.workbench.inspector
        try:
            return await inspector.ask(request, progress=progress, replaces=replaces, **arguments)
        except Superseded:
            return None
        except (UserError, InspectorError) as error:
            if not quiet:
                self._note(str(error), "error")
        return None

    _noted: tuple[str, str] = ("", "secondary")

    def recolour(self, snapshot: Snapshot) -> None:
        self._show()
        self._note(*self._noted)

    def _show(self) -> None:
        """Brings what the screen knows to its widgets."""
        raise NotImplementedError  # each screen has its own

    async def _ask_for_sheet(
        self, request: Request, *, replaces: str = "", quiet: bool = False, arrays: bool = False
    ) -> Sheet | None:
        """The sheet of a request, with `arrays` the numbers behind it, or None when there is none."""
        asked: dict[str, Any] = {"kind": request.kind, "request": request.record(), "arrays": arrays}
        answer = await self._ask("sheet", replaces=replaces, quiet=quiet, **asked)
        return None if answer is None else sheet_from(answer.values, answer.arrays)

    def _ask_pictures(self, shown: str | Path | None, then: Callable[[str], object]) -> None:
        """Asks for a picture or a folder of them, beginning in the folder of the one that is `shown`."""
        from screens.ask_dialog import AskDialog
        from screens.paths import pictures_below

        def answered(path: str | None) -> None:
            if path:
                then(path)

        start = "" if shown is None else f"{Path(shown).parent}/"
        self.app.push_screen(AskDialog("A picture, or a folder of pictures", pictures_below, start), answered)

    def _ask_size(self, now: tuple[int, int] | None, then: Callable[[str | None], object]) -> None:
        """Asks for the picture size that the network is set to; None is its own."""
        from screens.ask_dialog import AskDialog
        from screens.widgets.picker import Choice, matching

        sizes = [Choice(str(side), "pixels a side") for side in (224, 256, 336, 384, 448, 518, 672)]
        shown = "" if now is None else f"{now[0]}x{now[1]}"
        dialog = AskDialog(
            "Pictures of which size? A side, or HEIGHTxWIDTH",
            lambda typed: matching(sizes, typed),
            shown,
            empty="empty: the network's own",
        )

        def answered(size: str | None) -> None:
            if size is not None:
                then(size.strip() or None)

        self.app.push_screen(dialog, answered)

    def _export_sheet(self, request: Request, proposal: Path, *, arrays: bool = False) -> None:
        """Asks where to, as what and how wide, then saves the figure of a request, or the `arrays` behind it."""
        from screens.export_dialog import Export, ExportDialog

        def answered(export: Export | None) -> None:
            if export is not None:
                self._save_as(request, export.file, Drawing.of_style(export.style()))

        self.app.push_screen(
            ExportDialog(proposal, "figure", (*FIGURE_ENDINGS, *([ARRAYS_ENDING] if arrays else []))), answered
        )

    @work(group="save")
    async def _save_as(self, request: Request, file: Path, drawing: Drawing) -> None:
        await self._save_sheet(request, file, drawing)

    async def _save_sheet(self, request: Request, file: Path, drawing: Drawing | None = None) -> str | None:
        """Saves the figure of a request under a name that is free, and says where it is; None if it was not saved."""
        asked: dict[str, Any] = {"kind": request.kind, "request": request.record(), "file": str(file)}
        if drawing is not None:
            asked["drawing"] = drawing.record()
        answer = await self._ask("save_sheet", **asked)
        if answer is None:
            return None
        self._note_saved(str(answer.values["file"]))
        return str(answer.values["file"])

    def _note(self, text: str, colour: str = "secondary") -> None:
        self._noted = (text, colour)
        self.query_one("#note", Note).show(Text(clean(text), self.app.theme_variables[colour]))

    def _note_saved(self, file: str) -> None:
        """Where a file is, and how to fetch it."""
        words = Text(f"Saved {clean(file)}", self.app.theme_variables["success"])
        if line := scp_line(Path(file)):
            words.append(f"\n{clean(line)}")
        self.query_one("#note", Note).show(words)

    def _named(self, reference: str) -> str:
        """A network for people: of a run its title and its checkpoint, and whether it is training still."""
        run = self.workbench.snapshot.run(reference.partition("@")[0])
        if run is None:
            return reference
        if reference.endswith(" before"):
            return f"what {run.title} started from"
        training = ", training" if run.state == "running" else ""
        return f"{run.title}{training}, checkpoint: {checkpoint_words(reference.partition('@')[2])}"

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


def checkpoint_words(which: str) -> str:
    """`last`, `best`, or a step with its number, as people say it."""
    return f"step {int(which):,}" if which.isdigit() else which or "best"
