"""A list of pictures in words, and the picture of the selected row beside it."""

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.coloured_app import ColourHint
from screens.evaluation import read_preview
from screens.widgets.lines import TextLine
from screens.widgets.picture import Picture, Pixels
from vitbench.errors import UserError
from vitbench.text import clean


class PictureList(Vertical):
    """Subclasses have a message `Opened`, posted for the row that is opened, and say which file a row shows."""

    DEFAULT_CSS = """
    PictureList { padding: 0 1; }
    PictureList OptionList { width: 1fr; border: none; padding: 0; background: $background;
        scrollbar-size-vertical: 1; }
    PictureList #listed-none { display: none; color: $secondary; }
    PictureList #listed-left { width: 1fr; }
    PictureList #listed-side { width: 1fr; max-width: 64; padding: 0 1; }
    PictureList Picture { height: 1fr; max-height: 30; }
    """

    class Opened(Message):
        """A row is to be looked into."""

    def compose(self) -> ComposeResult:
        yield TextLine(id="listed-words")
        yield Static(id="listed-none")
        with Horizontal():
            with Vertical(id="listed-left"):
                yield TextLine(id="listed-head")
                yield OptionList(compact=True)
            with Vertical(id="listed-side"):
                yield Picture()
                yield TextLine(id="listed-file")
        yield ColourHint()

    def file_of(self, index: int) -> Path | None:
        """The picture of a row; None if there is no such row."""
        raise NotImplementedError  # each screen has its own

    @property
    def highlighted(self) -> int | None:
        """The selected row."""
        return self.query_one(OptionList).highlighted

    def say(self, sentence: str) -> None:
        """Shows a sentence in place of the list."""
        self._put_words("")
        self.query_one(Horizontal).display = False
        none = self.query_one("#listed-none", Static)
        none.display = True
        none.update(Text(clean(sentence)))

    def put_words(self, words: str) -> None:
        """Shows the list, below these words on all of it."""
        self._put_words(words)
        self.query_one(Horizontal).display = True
        self.query_one("#listed-none").display = False

    def put_rows(self, head: Text, rows: Sequence[Text], selected: int) -> None:
        """Replaces the rows, and what heads their columns."""
        self.query_one("#listed-head", TextLine).show(head)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(row) for row in rows])
        options.highlighted = selected if rows else None

    def _put_words(self, words: str) -> None:
        self.query_one("#listed-words", TextLine).show(Text(words))

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
        file = self.file_of(index)
        if file is None:
            return
        try:
            pixels, words = read_preview(file), str(file)
        except UserError as error:
            pixels, words = None, str(error)
        self.app.call_from_thread(self._loaded, index, pixels, words)

    def _loaded(self, index: int, pixels: Pixels | None, words: str) -> None:
        if self.highlighted != index:
            return
        self.query_one(Picture).show(pixels)
        width = self.query_one("#listed-side").size.width - 2
        fit = wording.fit if pixels is None else wording.fit_start
        shown = Text(fit(words, max(10, width)), self.app.theme_variables["secondary"])
        self.query_one("#listed-file", TextLine).show(shown)
