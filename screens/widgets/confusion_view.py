"""The confusion matrix with a cursor, and the pairs that are confused most often."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.actions import bindings
from screens.evaluation import ShownEvaluation, split_words
from screens.look import glyphs
from screens.widgets.lines import TextLine
from screens.widgets.searching import Searchable
from vitbench.text import clean

_CELL, _WIDEST_CELL = 3, 16
_LYING_FROM = 8
"""Cells from which a name lies above its column; in narrower columns the names stand upright."""
_NEXT_PAIRS = 200


class ConfusionMatrix(ScrollView, Searchable, can_focus=True):
    """Rows are the true classes, columns what they were taken for, numbers per cent of the row.

    The names of the columns lie above them, or stand upright where columns are narrow, as much as there is room for.
    """

    BINDINGS = bindings("confusion")
    DEFAULT_CSS = """
    ConfusionMatrix { background: $background; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """The cursor is on another cell."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.evaluation: ShownEvaluation | None = None
        self.row = self.column = 0
        self._pairs: list[tuple[int, int]] = []
        self._cell_width, self._heads, self._lying = _CELL, 3, False
        self._first_column = 0
        self._styles: dict[tuple[int, bool, bool], Style] = {}

    def show(self, evaluation: ShownEvaluation) -> None:
        """Replaces the matrix; the cursor goes to the most frequent confusion."""
        self.evaluation = evaluation
        self._shares = evaluation.shares()
        self._pairs = [pair[:2] for pair in evaluation.pairs(_NEXT_PAIRS)]
        self._measure()
        self.search_again()
        self.go(*(self._pairs[0] if self._pairs else (0, 0)))

    def searched(self) -> Sequence[str]:
        return [clean(name) for name in self.evaluation.classes] if self.evaluation is not None else ()

    def first_searched(self) -> int:
        return self.row

    def reveal(self, line: int) -> None:
        """The class that was found, and what it was predicted as most often."""
        wrong = [float(share) * (column != line) for column, share in enumerate(self._shares[line])]
        self.go(line, wrong.index(max(wrong)) if max(wrong) > 0 else line)

    def _measure(self) -> None:
        """Chooses cell width and height of the heading for the room that there is."""
        if self.evaluation is None:
            return
        classes = self.evaluation.classes
        room = self.size.width - self._label_width() - 2
        longest = max((cell_len(clean(name)) for name in classes), default=1)
        each = room // max(1, len(classes))
        self._lying = each > min(longest, _LYING_FROM)
        self._cell_width = min(max(longest + 2, 6), _WIDEST_CELL, each) if self._lying else min(max(_CELL, each), 6)
        self._heads = 1 if self._lying else min(longest, max(3, self.size.height // 3))
        self.virtual_size = Size(self.size.width, len(classes) + self._heads)

    def action_next_pair(self, step: int) -> None:
        """To the next most frequent confusion, or the one before."""
        if self._pairs:
            here = (self.row, self.column)
            at = self._pairs.index(here) + step if here in self._pairs else 0
            self.go(*self._pairs[at % len(self._pairs)])

    def go(self, row: int, column: int) -> None:
        """Puts the cursor on a cell and brings it into view."""
        if self.evaluation is None:
            return
        last = len(self.evaluation.classes) - 1
        self.row, self.column = min(max(row, 0), last), min(max(column, 0), last)
        height, columns = max(1, self.size.height - self._heads), self._columns_shown()
        first = int(self.scroll_offset.y)
        if not first <= self.row < first + height:
            self.scroll_to(y=self.row - height // 2, animate=False)
        if not self._first_column <= self.column < self._first_column + columns:
            self._first_column = min(max(0, self.column - columns // 2), max(0, last + 1 - columns))
        self.refresh()
        self.post_message(self.Moved())

    def _label_width(self) -> int:
        longest = max((len(name) for name in self.evaluation.classes), default=0) if self.evaluation else 0
        return min(longest, max(8, self.size.width // 4))

    def _columns_shown(self) -> int:
        return max(1, (self.size.width - self._label_width() - 2) // self._cell_width)

    def render_line(self, y: int) -> Strip:
        """The heading of columns, or one class."""
        base = self.rich_style
        if self.evaluation is None:
            return Strip.blank(self.size.width, base)
        shown = range(self._first_column, min(len(self.evaluation.classes), self._first_column + self._columns_shown()))
        if y < self._heads:
            return self._heading(y, shown, base)
        row = int(self.scroll_offset.y) + y - self._heads
        if row >= len(self.evaluation.classes):
            return Strip.blank(self.size.width, base)
        here = row == self.row
        name = Style(color=self._colour("foreground" if here else "secondary"), bold=here)
        segments = [Segment(wording.fit(self.evaluation.classes[row], self._label_width()) + " ", base + name)]
        for column in shown:
            share = float(self._shares[row, column])
            style = self._cell(round(share * 20), row == column, here and column == self.column)
            text = self._share_words(share)
            segments.append(Segment(f"{text:>{self._cell_width}}", base + style))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _share_words(self, share: float) -> str:
        """A share in per cent; less than half of one is not none."""
        if not share > 0:
            return glyphs().dot
        sign = "%" if self._cell_width > _CELL + 1 else ""
        return f"<1{sign}" if share < 0.005 else f"{share * 100:.0f}{sign}"

    def _heading(self, y: int, shown: range, base: Style) -> Strip:
        """One letter of each column's class; the whole name of the cursor's is in the line above."""
        assert self.evaluation is not None
        quiet, strong = Style(color=self._colour("secondary")), Style(color=self._colour("accent"), bold=True)
        corner = ("% of row" if self._label_width() >= 8 else "%") if y == self._heads - 1 else ""
        hidden = [shown.start, len(self.evaluation.classes) - shown.stop]
        if any(hidden) and y == 0 and self._heads > 1:  # a row without its diagonal has it in columns that are not seen
            corner = " ".join(f"{sign}{count}" for sign, count in zip("<>", hidden, strict=True) if count)
        segments = [Segment(wording.fit(corner, self._label_width()) + " ", base + quiet)]
        for column in shown:
            style = base + (strong if column == self.column else quiet)
            if self._lying:
                words = wording.fit(self.evaluation.classes[column], self._cell_width - 1).strip()
                segments.append(Segment(" " + wording.fit(words, self._cell_width - 1, right=True), style))
                continue
            name = clean(self.evaluation.classes[column])[: self._heads]
            place = y - (self._heads - len(name))
            letter = wording.fit(name[place] if place >= 0 else "", self._cell_width, right=True)
            segments.append(Segment(letter, style))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _cell(self, strength: int, right: bool, cursor: bool) -> Style:
        key = (strength, right, cursor)
        if key not in self._styles:
            background = self.background_colors[1]
            hue = Color.parse(self.app.theme_variables["success" if right else "error"])
            back = background.blend(hue, 0.12 + 0.6 * strength / 20) if strength else background
            front = Color.parse(self.app.theme_variables["foreground"]) if strength else background.blend(hue, 0.25)
            style = Style(color=front.rich_color, bgcolor=back.rich_color)
            self._styles[key] = style + Style(reverse=True, bold=True) if cursor else style
        return self._styles[key]

    def on_key(self, event: events.Key) -> None:
        page = max(1, self.size.height - self._heads - 1)
        steps = {
            "up": (-1, 0),
            "down": (1, 0),
            "left": (0, -1),
            "right": (0, 1),
            "pageup": (-page, 0),
            "pagedown": (page, 0),
            "home": (0, -10_000),
            "end": (0, 10_000),
        }
        if event.key in steps:
            down, across = steps[event.key]
            self.go(self.row + down, self.column + across)
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        column = self._first_column + (event.x - self._label_width() - 1) // self._cell_width
        if event.y >= self._heads:
            self.go(int(self.scroll_offset.y) + event.y - self._heads, column)

    def on_resize(self) -> None:
        self._measure()
        self.go(self.row, self.column)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._forget, init=False)

    def _forget(self) -> None:
        self._styles.clear()
        self.refresh()

    def _colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).hex6


class ConfusionView(Vertical):
    """Matrix, pairs, and a sentence about the cell under the cursor."""

    DEFAULT_CSS = """
    ConfusionView { padding: 0 1; }
    ConfusionView #confusion-pairs { width: 44; border: none; padding: 0; background: $background; margin-left: 2;
        scrollbar-size-vertical: 1; }
    ConfusionView #confusion-none { display: none; color: $secondary; }
    ConfusionView #confusion-matrix { width: 1fr; }
    """

    def compose(self) -> ComposeResult:
        yield TextLine(id="confusion-words")
        yield Static(id="confusion-none")
        with Horizontal():
            yield ConfusionMatrix(id="confusion-matrix")
            yield OptionList(id="confusion-pairs", compact=True)

    def say(self, sentence: str) -> None:
        """Shows a sentence in place of a matrix."""
        self.query_one(ConfusionMatrix).display = self.query_one(OptionList).display = False
        self.query_one(TextLine).show(Text())
        none = self.query_one("#confusion-none", Static)
        none.display = True
        none.update(Text(clean(sentence)))

    def show(self, evaluation: ShownEvaluation) -> None:
        """Shows an evaluation."""
        matrix, pairs = self.query_one(ConfusionMatrix), self.query_one(OptionList)
        matrix.display = True
        self.query_one("#confusion-none").display = False
        pairs.display = self.app.size.width >= 110
        pairs.clear_options()
        for row, column, count in evaluation.pairs():
            names = f"{evaluation.classes[row]} predicted as {evaluation.classes[column]}"
            pairs.add_option(Option(Text(f"{count:>3}  " + wording.fit(names, 38)), id=f"{row}-{column}"))
        matrix.show(evaluation)

    @on(ConfusionMatrix.Moved)
    def _explain(self) -> None:
        matrix = self.query_one(ConfusionMatrix)
        evaluation = matrix.evaluation
        if evaluation is None:
            return
        row, column = matrix.row, matrix.column
        count, total = int(evaluation.confusion[row, column]), int(evaluation.confusion[row].sum())
        true, taken = evaluation.classes[row], evaluation.classes[column]
        words = f"{true}: {count:,} of {total:,} predicted as {taken}"
        if row == column:
            words = f"{true}: {count:,} of {total:,} recognised"
        split = split_words(evaluation.split)
        if self.app.size.width < 100:
            split = split.removesuffix(" split")
        where = f"{split}, step {evaluation.step:,}"
        head = f"{where}: {evaluation.correct:,} of {evaluation.pictures:,} right"
        quiet = self.app.theme_variables["secondary"]
        self.query_one(TextLine).show(Text(wording.fit(words, 200).strip()), Text(head + " ", quiet))

    @on(OptionList.OptionHighlighted)
    def _pair(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id:
            row, column = map(int, event.option_id.split("-"))
            self.query_one(ConfusionMatrix).go(row, column)
