"""What Compare shows beside its charts: what differs, in words, and the pictures on which the networks disagree."""

import asyncio
import csv
import io
from pathlib import Path

from textual import on, work

from screens.export import Exports
from screens.widgets.disagreements import Disagreements
from screens.widgets.words_panel import WordsPanel
from vitbench.comparing.report import Comparison, compare
from vitbench.comparing.rows import header, table
from vitbench.comparing.words import lines
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.files.outputs import Outputs
from vitbench.files.parsing import to_json
from vitbench.listing.rows import RunRow
from vitbench.runs.store import Run

CHARTS, DIFFERENCES, PICTURES = "charts", "differences", "pictures"


class CompareViews(Exports):
    """Subclasses have a WordsPanel `differences`, a Disagreements `pictures`, and charts with their table."""

    def __init__(self, run_ids: tuple[str, ...]) -> None:
        super().__init__()
        self.run_ids = run_ids
        self.view = CHARTS
        self.comparison: Comparison | None = None

    def show_charts(self, shown: bool) -> None:
        """Shows the charts and gives them the keys, or hides them."""
        raise NotImplementedError  # the screen has it

    def compared_rows(self) -> list[RunRow]:
        """The runs that are compared."""
        raise NotImplementedError  # the screen has it

    def action_view(self, name: str) -> None:
        """The charts, what differs, or the pictures on which the networks disagree."""
        self.view = name
        panel, pictures = self.query_one(WordsPanel), self.query_one(Disagreements)
        panel.display, pictures.display = name == DIFFERENCES, name == PICTURES
        self.show_charts(name == CHARTS)
        if name == CHARTS:
            return
        if name == DIFFERENCES:
            panel.show(["Comparing ..."])
            panel.focus()
        else:
            pictures.say("Comparing ...")
        self.refresh_bindings()
        self._compare()

    def action_details(self) -> None:
        """What differs, in words, in place of the charts; once more: the charts."""
        self.action_view(CHARTS if self.view == DIFFERENCES else DIFFERENCES)

    @work(thread=True, exclusive=True, group="comparison")
    def _compare(self) -> None:
        store = self.workbench.store
        rows = self.compared_rows()
        own = [row for row in rows if row.is_own]
        said, found = [], None
        if len(own) < len(rows):
            count = len(rows) - len(own)
            verb = "is another tool's log: it has" if count == 1 else "are other tools' logs: they have"
            said = [f"{count} of these {verb} curves, but no recipe and no evaluations to compare.", ""]
        try:
            found = compare([store.find(row.id) for row in own])
        except (UserError, OSError) as error:
            said.append(str(error))
        self.app.call_from_thread(self._compared, found, said)

    def _compared(self, found: Comparison | None, said: list[str]) -> None:
        self.comparison = found
        if self.view == DIFFERENCES:
            self.query_one(WordsPanel).show([*said, *(lines(found) if found is not None else [])])
        elif self.view == PICTURES:
            pictures = self.query_one(Disagreements)
            if found is None or found.shared is None:
                pictures.say(" ".join([*said, found.not_tested if found is not None else ""]))
            else:
                colours = tuple(self.workbench.colours.number(run.id) for run in found.runs)
                pictures.show(found.shared, found.names, colours)

    @on(Disagreements.Opened)
    def action_attention(self) -> None:
        """The maps of a network that is right on the selected picture and of one that is wrong, side by side."""
        pictures, found = self.query_one(Disagreements), self.comparison
        row = pictures.current if self.view == PICTURES else None
        if row is None or found is None or found.shared is None:
            self.workbench.tell("3 shows the pictures on which the networks disagree; there i opens their maps.")
            return
        right = [bool(answers.correct[row]) for answers in found.shared.answers]
        one, other = sorted((right.index(True), right.index(False)))
        networks = [_network(found.runs[number], found.shared.answers[number].scored.step) for number in (one, other)]
        self.open_screen("attention", network=networks[0], path=str(pictures.file(row)), other=networks[1])

    def action_export(self) -> None:
        """The chart; of the differences all of the comparison as JSON; of the pictures a row each as CSV."""
        if self.view == CHARTS:
            super().action_export()
        elif (found := self.comparison) is None or (self.view == PICTURES and found.shared is None):
            self.workbench.tell("There is nothing here to save.", "warning")
        elif self.view == DIFFERENCES:
            self._write(Path.cwd() / "comparison.json", to_json(found.document(), indent=1) + "\n")
        elif found.shared is not None:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([header(found.names), *table(found.shared, found.names)])
            self._write(Path.cwd() / "disagreements.csv", text.getvalue())

    @work(group="export")
    async def _write(self, file: Path, content: str) -> None:
        outputs = Outputs(self.workbench.store_folder)
        try:
            written = await asyncio.to_thread(outputs.write_new, file, content.encode("utf-8", "surrogateescape"))
        except (UserError, OSError) as error:
            self.workbench.tell(f"{file} was not saved: {error}", "error")
            return
        fetch = scp_line(written)
        self.workbench.tell(f"Saved {written}" + (f"   {fetch}" if fetch else ""))


def _network(run: Run, step: int) -> str:
    """The checkpoint that was evaluated, if it was kept; else the last one."""
    kept = {entry.step for entry in run.checkpoints()}
    return f"{run.id}@{step if step in kept else 'last'}"
