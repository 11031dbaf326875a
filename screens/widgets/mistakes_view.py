"""The worst mistakes, the most confident first, each with its picture."""

from rich.cells import cell_len
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.actions import bindings
from screens.coloured_app import ColourHint
from screens.evaluation import Evaluation, Mistake, read_preview, split_words
from screens.widgets.lines import Line
from screens.widgets.picture import Picture, Pixels
from vitbench.errors import UserError
from vitbench.text import clean


class MistakesView(Vertical):
    """A list and the picture of the selected entry."""

    BINDINGS = bindings("mistakes")
    DEFAULT_CSS = """
    MistakesView { padding: 0 1; }
    MistakesView #mistakes-list { width: 1fr; border: none; padding: 0; background: $background;
        scrollbar-size-vertical: 1; }
    MistakesView #mistakes-none { display: none; color: $secondary; }
    MistakesView #mistakes-left { width: 1fr; }
    MistakesView #mistakes-side { width: 1fr; max-width: 64; padding: 0 1; }
    MistakesView #mistakes-picture { height: 1fr; max-height: 30; }
    """

    class Opened(Message):
        """A mistake is to be looked into."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.evaluation: Evaluation | None = None
        self._width = 0
        """The width for which the list was filled."""

    @property
    def current(self) -> Mistake | None:
        """The selected mistake."""
        index = self.query_one(OptionList).highlighted
        worst = self.evaluation.worst if self.evaluation is not None else ()
        return worst[index] if index is not None and index < len(worst) else None

    def action_open_mistake(self) -> None:
        self.post_message(self.Opened())

    @on(OptionList.OptionSelected)
    def _opened(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_open_mistake()

    def compose(self) -> ComposeResult:
        yield Line(id="mistakes-words")
        yield Static(id="mistakes-none")
        with Horizontal():
            with Vertical(id="mistakes-left"):
                yield Line(id="mistakes-head")
                yield OptionList(id="mistakes-list", compact=True)
            with Vertical(id="mistakes-side"):
                yield Picture(id="mistakes-picture")
                yield Line(id="mistakes-file")
        yield ColourHint()

    def say(self, sentence: str) -> None:
        """Shows a sentence in place of the list."""
        self.query_one(Horizontal).display = False
        self.query_one("#mistakes-words", Line).show(Text())
        none = self.query_one("#mistakes-none", Static)
        none.display = True
        none.update(Text(clean(sentence)))

    def show(self, evaluation: Evaluation) -> None:
        """Shows an evaluation."""
        self.evaluation = evaluation
        self.query_one(Horizontal).display = True
        self.query_one("#mistakes-none").display = False
        wrong = evaluation.pictures - evaluation.correct
        words = f"{split_words(evaluation.split)}, step {evaluation.step:,}: {wording.count(wrong, 'mistake')}"
        words += f" in {wording.count(evaluation.pictures, 'picture')}"
        if 0 < len(evaluation.worst) < wrong:
            words += f", the {len(evaluation.worst)} with the greatest loss below"
        self.query_one("#mistakes-words", Line).show(Text(words))
        self._fill(0)

    def on_resize(self) -> None:
        """The columns are as wide as there is room for them, which is known only now."""
        if self.evaluation is not None and self._width != self.size.width:
            self._fill(self.query_one(OptionList).highlighted or 0)

    def _fill(self, highlighted: int) -> None:
        evaluation, colours = self.evaluation, self.app.theme_variables
        if evaluation is None:
            return
        self._width = self.size.width
        options = self.query_one(OptionList)
        options.clear_options()
        names = [name for mistake in evaluation.worst for name in (mistake.label, mistake.predicted)]
        longest = max((cell_len(clean(name)) for name in names), default=0)
        room = min(max(longest, len("Predicted")), max(6, (max(self.size.width, 60) // 2 - 22) // 2))
        self.query_one("#mistakes-left").styles.width = 2 * room + 20
        head = f"{'Loss':>6}  {'True':<{room}}    {'Predicted'[:room]:<{room}} Conf"
        self.query_one("#mistakes-head", Line).show(Text(head, colours["secondary"]))
        for mistake in evaluation.worst:
            row = Text.assemble(
                (f"{mistake.loss:>6.2f}  ", colours["secondary"]),
                wording.fit(mistake.label, room),
                (" as ", colours["secondary"]),
                (wording.fit(mistake.predicted, room), colours["error"]),
                (f" {wording.percent(mistake.probability, 0):>4}", colours["secondary"]),
                no_wrap=True,
            )
            options.add_option(Option(row))
        options.highlighted = highlighted if evaluation.worst else None

    @on(OptionList.OptionHighlighted)
    def _selected(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._load(event.option_index)

    @work(thread=True, exclusive=True, group="preview")
    def _load(self, index: int) -> None:
        """Reads the picture aside: a disk may be slow."""
        if self.evaluation is None or index >= len(self.evaluation.worst):
            return
        file = self.evaluation.worst[index].file
        try:
            pixels, words = read_preview(file), str(file)
        except UserError as error:
            pixels, words = None, str(error)
        self.app.call_from_thread(self._loaded, index, pixels, words)

    def _loaded(self, index: int, pixels: Pixels | None, words: str) -> None:
        if self.query_one(OptionList).highlighted == index:
            self.query_one(Picture).show(pixels)
            width = self.query_one("#mistakes-side").size.width - 2
            quiet = self.app.theme_variables["secondary"]
            fit = wording.fit if pixels is None else wording.fit_start
            self.query_one("#mistakes-file", Line).show(Text(fit(words, max(10, width)), quiet))
