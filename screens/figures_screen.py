"""The saved figures of a run, or of the whole store: a list, a preview, and how to bring one home."""

import shlex
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.actions import BACK, Action, bindings
from screens.asking import AskingScreen
from screens.evaluation import read_preview
from screens.navigation import Opening, ScreenDeclaration
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from screens.widgets.picture import Picture, Pixels
from vitbench.errors import UserError
from vitbench.figures.remote import scp_line
from vitbench.figures.saved import SavedFigure, remove_figure, saved_figures, what_it_shows
from vitbench.progress import moment
from vitbench.text import clean, shortened, size_in_words

ACTIONS = (
    BACK,
    Action("enter", "open", "facts", "What the figure records of how it was made.", True),
    Action("A", "again", "make again", "Make the figure again from what it records, beside it.", True, shown="A"),
    Action("F", "figures", "all figures", "Those of the whole store, or of the run again.", True, shown="F"),
    Action("D,delete", "remove", "delete", "Delete the file, after a question.", True, shown="D"),
    Action("y", "copy", "copy", "Copy the scp line, the path or the command, through SSH and tmux too.", True),
)
"""What its keys do."""


class FiguresScreen(AskingScreen):
    """`figures` are those listed, the newest first; `run_id` empty means the whole store."""

    BINDINGS = bindings(ACTIONS)
    DEFAULT_CSS = """
    FiguresScreen #figures-list { width: 1fr; border: none; padding: 0; background: $background;
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    FiguresScreen #figures-side { width: 2fr; padding: 0 1; }
    FiguresScreen #figures-picture { height: 1fr; }
    FiguresScreen #figures-facts { height: auto; max-height: 8; }
    """

    def __init__(self, run_id: str = "") -> None:
        super().__init__()
        self.run_id = self._of_run = run_id
        self.figures: list[SavedFigure] = []

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        with Horizontal():
            yield OptionList(id="figures-list")
            with Vertical(id="figures-side"):
                yield Picture(id="figures-picture")
                yield Static(id="figures-facts")
        yield Note(id="note", least=1)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self._list()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is done with a figure where there is none; a screen about the store has no run to go back to."""
        if action in ("open", "again", "remove", "copy") and not self.figures:
            return False
        if action == "figures" and not self._of_run:
            return False
        return super().check_action(action, parameters)

    @property
    def current(self) -> SavedFigure | None:
        """The figure under the cursor."""
        index = self.query_one(OptionList).highlighted
        return self.figures[index] if index is not None and index < len(self.figures) else None

    # What is listed

    @work(thread=True, exclusive=True, group="list")
    def _list(self, wanted: Path | None = None) -> None:
        """Reads the folders aside; `wanted` has the cursor afterwards."""
        store = self.workbench.store
        try:
            found = saved_figures(store, store.find(self.run_id) if self.run_id else None)
        except UserError as error:
            self.app.call_from_thread(self._note, str(error), "warning")
            return
        self.app.call_from_thread(self._show_list, found, wanted)

    def _show_list(self, found: list[SavedFigure], wanted: Path | None) -> None:
        files = self.query_one(OptionList)
        before = files.highlighted or 0
        self.figures = found
        with self.app.batch_update():
            files.clear_options()
            files.add_options([Option(self._entry(figure)) for figure in found])
            self.query_one("#figures-side").display = bool(found)
            names = [figure.file for figure in found]
            if found:
                files.highlighted = names.index(wanted) if wanted in names else min(before, len(found) - 1)
            self._show_title()
            self.refresh_bindings()
            if not found:
                self.query_one(Picture).show(None)
                self.query_one("#figures-facts", Static).update("")
                whose = "This run has" if self.run_id else "There are"
                sentence = f"{whose} no saved figures yet: e saves one on the screens that look inside."
                files.add_option(Option(Text(sentence, self.app.theme_variables["foreground"]), disabled=True))

    def _show(self) -> None:
        """The theme is another one."""
        self._show_list(self.figures, self.current.file if self.current is not None else None)

    def _show_title(self) -> None:
        colours = self.app.theme_variables
        run = self.workbench.snapshot.run(self.run_id) if self.run_id else None
        whose = (run.title if run is not None else self.run_id) or "all runs, and wherever else they were saved"
        title = Text.assemble((" Figures ", f"bold {colours['accent']}"), (f" {clean(whose)}", colours["foreground"]))
        count = f"{len(self.figures):,} figure{'s' * (len(self.figures) != 1)} "
        self.query_one("#title", TextLine).show(title, Text(count, colours["secondary"]))

    def _entry(self, figure: SavedFigure) -> Text:
        colours = self.app.theme_variables
        run = self.workbench.snapshot.run(figure.run_id) if figure.run_id and not self.run_id else None
        whose = f"  {clean(run.title)}" if run is not None else ""
        longest = max(cell_len(clean(shortened(one.file.name, 60))) for one in self.figures)
        name = wording.fit(shortened(figure.file.name, 60), min(longest, self.app.size.width // 3 - 2))
        room = self.app.size.width // 3 - 2 - cell_len(name) - len(whose)
        form = next((form for form in ("%d %b %H:%M", "%d %b") if len(moment(figure.saved_at, form)) + 2 <= room), "")
        when = f"  {moment(figure.saved_at, form)}" if form else ""
        return Text.assemble(name, (f"{when}{whose}", colours["secondary"]))

    # What is shown of one

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.current is not None:
            self._preview(self.current)

    @work(thread=True, exclusive=True, group="preview")
    def _preview(self, figure: SavedFigure) -> None:
        """Reads the picture and what it records aside."""
        file, problem = self._pictured(figure.file)
        pixels: Pixels | None = None
        if file is not None:
            try:
                pixels = read_preview(file)
            except UserError as error:
                problem = str(error)
        said = what_it_shows(figure.file)
        self.app.call_from_thread(self._show_preview, figure, pixels, problem, said)

    def _pictured(self, file: Path) -> tuple[Path | None, str]:
        """The file that is shown for this one, and what is to be said of that: PDF and SVG have a PNG beside them."""
        if file.suffix.lower() == ".png":
            return file, ""
        form, beside = file.suffix[1:].upper(), file.with_suffix(".png")
        if any(other.file == beside for other in self.figures):
            return beside, f"{form} has no preview in a terminal; {beside.name} beside it is shown."
        return None, f"{form} has no preview in a terminal."

    def _show_preview(self, figure: SavedFigure, pixels: Pixels | None, problem: str, said: str) -> None:
        if self.current is not figure:
            return
        colours = self.app.theme_variables
        with self.app.batch_update():
            self.query_one(Picture).show(pixels)
            facts = Text(clean(shortened(said, 400)))
            size = f"  {size_in_words(figure.size)}"
            room = max(20, self.query_one("#figures-facts").size.width - len(size))
            facts.append(f"\n{wording.fit_start(str(figure.file), room).rstrip()}{size}", colours["secondary"])
            if fetch := scp_line(figure.file):
                facts.append(f"\n{clean(fetch)}", colours["secondary"])
            self.query_one("#figures-facts", Static).update(facts)
            self._note(problem, "warning" if problem and pixels is None else "secondary")

    # What the keys do

    def copied(self) -> list[Choice]:
        """The `scp` line where the person came by SSH, the path, and the command that makes the figure again."""
        figure = self.current
        if figure is None:
            return []
        fetch = scp_line(figure.file)
        again = f"vitbench figure again {shlex.quote(str(figure.file))}"
        first = [Choice(fetch, "to fetch it")] if fetch else []
        return [*first, Choice(str(figure.file), "its path"), Choice(again, "to make it again")]

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_open()

    def action_open(self) -> None:
        """What the figure records, whole."""
        if self.current is not None:
            self.workbench.tell(what_it_shows(self.current.file))

    def action_figures(self) -> None:
        """From the run's figures to those of the store, and back."""
        self.run_id = "" if self.run_id else self._of_run
        self._list()

    @work(exclusive=True, group="again")
    async def action_again(self) -> None:
        """Makes the figure again from what it records, under a free name beside it."""
        figure = self.current
        if figure is None:
            return
        answer = await self._ask("figure_again", file=str(figure.file))
        if answer is not None:
            file = Path(str(answer.values["file"]))
            self._note(f"Saved {file}")
            self._list(file)

    def action_remove(self) -> None:
        """Deletes the file after a question."""
        figure = self.current
        if figure is None:
            return

        def removed() -> None:
            try:
                remove_figure(figure)
            except UserError as error:
                self.workbench.tell(str(error), "error")
            self._list()

        self.ask(f"Delete {figure.file}? It cannot be undone.", "Delete", removed)


SCREEN = ScreenDeclaration(
    name="figures",
    title="Figures",
    help="The saved figures of a run or of the store, and how to bring them home.",
    screen=FiguresScreen,
    actions=ACTIONS,
    opened=Opening("runs", "F"),
    order=85,
)
