"""Pictures that some networks get right and others wrong: what each said, and the picture of the selected row."""

from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.coloured_app import ColourHint
from screens.evaluation import read_preview, split_words
from screens.look import glyphs, series_colour
from screens.widgets.lines import Line
from screens.widgets.picture import Picture, Pixels
from vitbench.comparing.rows import Shared
from vitbench.errors import UserError
from vitbench.text import clean

_MOST = 2000
"""Rows that are listed; the command writes all."""


class Disagreements(Vertical):
    """Those that only the first gets right come first, then those that it gets wrong; the most confident first."""

    DEFAULT_CSS = """
    Disagreements { padding: 0 1; display: none; height: 1fr; }
    Disagreements OptionList { width: 1fr; border: none; padding: 0; background: $background;
        scrollbar-size-vertical: 1; }
    Disagreements #disagreements-none { display: none; color: $secondary; }
    Disagreements #disagreements-left { width: 1fr; }
    Disagreements #disagreements-side { width: 1fr; max-width: 64; padding: 0 1; }
    Disagreements Picture { height: 1fr; max-height: 30; }
    """

    class Opened(Message):
        """The maps of a picture are to be seen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.shared: Shared | None = None
        self._rows: list[int] = []

    def compose(self) -> ComposeResult:
        yield Line(id="disagreements-words")
        yield Static(id="disagreements-none")
        with Horizontal():
            with Vertical(id="disagreements-left"):
                yield Line(id="disagreements-head")
                yield OptionList(compact=True)
            with Vertical(id="disagreements-side"):
                yield Picture()
                yield Line(id="disagreements-file")
        yield ColourHint()

    @property
    def current(self) -> int | None:
        """The selected row of the shared answers."""
        index = self.query_one(OptionList).highlighted
        return self._rows[index] if index is not None and index < len(self._rows) else None

    def file(self, row: int) -> Path:
        """The picture of a row."""
        assert self.shared is not None
        return Path(self.shared.answers[0].scored.root) / str(self.shared.files[row])

    def say(self, sentence: str) -> None:
        """Shows a sentence in place of the list."""
        self.query_one(Horizontal).display = False
        self.query_one("#disagreements-words", Line).show(Text())
        none = self.query_one("#disagreements-none", Static)
        none.display = True
        none.update(Text(clean(sentence)))

    def show(self, shared: Shared, names: tuple[str, ...], colours: tuple[int, ...]) -> None:
        """Shows what the networks of these names, drawn in these colours, said of the same pictures."""
        self.shared = shared
        found = shared.disagreeing()
        count, pictures = len(found), wording.count(len(shared.files), "picture")
        if not count:
            self.say(f"The networks are right on the same pictures ({pictures} of the {split_words(shared.split)}).")
            return
        first = shared.answers[0]
        order = sorted(found.tolist(), key=lambda row: (not first.correct[row], -float(first.confidence[row])))
        self._rows = order[:_MOST]
        theme, dark = self.app.theme_variables, self.app.current_theme.dark
        self.query_one(Horizontal).display = True
        self.query_one("#disagreements-none").display = False
        words = f"{split_words(shared.split)}: {wording.count(count, 'picture')} of {len(shared.files):,} "
        words += "that some get right and others wrong"
        words += f", the first {_MOST:,} below" if count > _MOST else ""
        self.query_one("#disagreements-words", Line).show(Text(words))
        width = max(38, self.size.width // 2)
        columns = min(len(shared.answers), max(2, width // 14 - 1))
        room = max(6, min(20, (width - 2) // (columns + 1) - 2))
        head = Text(f"{'True':<{room}}  ", theme["secondary"])
        for name, colour in zip(names[:columns], colours, strict=False):
            head.append(f"{glyphs().legend} {wording.fit_start(name, room - 1)} ", series_colour(colour, dark))
        head.append(f"+{len(names) - columns}" if len(names) > columns else "", theme["secondary"])
        self.query_one("#disagreements-head", Line).show(head)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(self._row(row, columns, room)) for row in self._rows])
        options.highlighted = 0
        if not options.has_focus:
            options.focus()

    def _row(self, row: int, columns: int, room: int) -> Text:
        assert self.shared is not None
        theme = self.app.theme_variables
        text = Text(wording.fit(str(self.shared.labels[row]), room) + "  ", no_wrap=True)
        for answers in self.shared.answers[:columns]:
            right = bool(answers.correct[row])
            sign = glyphs().states["finished" if right else "failed"]
            said = f"{sign} {answers.predicted[row]}"
            percent = wording.percent(float(answers.confidence[row]), 0)
            if cell_len(said) + len(percent) + 1 <= room:
                said = f"{said} {percent}"
            text.append(wording.fit(said, room + 1) + " ", theme["success" if right else "error"])
        return text

    @on(OptionList.OptionSelected)
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Opened())

    @on(OptionList.OptionHighlighted)
    def _selected(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._load(event.option_index)

    @work(thread=True, exclusive=True, group="preview")
    def _load(self, index: int) -> None:
        """Reads the picture aside: a disk may be slow."""
        if index >= len(self._rows):
            return
        file = self.file(self._rows[index])
        try:
            pixels, words = read_preview(file), str(file)
        except UserError as error:
            pixels, words = None, str(error)
        self.app.call_from_thread(self._loaded, index, pixels, words)

    def _loaded(self, index: int, pixels: Pixels | None, words: str) -> None:
        if self.query_one(OptionList).highlighted != index:
            return
        self.query_one(Picture).show(pixels)
        width = self.query_one("#disagreements-side").size.width - 2
        fit = wording.fit if pixels is None else wording.fit_start
        shown = Text(fit(words, max(10, width)), self.app.theme_variables["secondary"])
        self.query_one("#disagreements-file", Line).show(shown)
