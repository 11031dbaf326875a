"""A line to type in, with a list below it that shrinks to what fits; any text may also stand as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from screens import wording
from screens.look import glyphs
from screens.widgets.filter_input import FilterInput
from vitbench.text import clean

_MOST = 200
_LABEL = 10


@dataclass(frozen=True)
class Choice:
    """One entry of the list: what is taken, and what is said beside it. With `more`, choosing goes on (a folder).

    `shown` is what people read in place of the value, such as a run's name for its id.
    """

    value: str
    note: str = ""
    more: bool = False
    shown: str = ""

    @property
    def words(self) -> str:
        """What is read first."""
        return self.shown or self.value


Source = Callable[[str], Sequence[Choice]]


def nothing(typed: str) -> Sequence[Choice]:
    """The source of a line that has no list."""
    return ()


def matching(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """The choices in which every typed word occurs; those that begin with it come first."""
    words = typed.lower().split()
    found = [choice for choice in choices if _has_all(choice, words)]
    start = words[0] if words else ""
    return sorted(found, key=lambda choice: not _begins(choice.words.lower(), start)) if start else found


def _has_all(choice: Choice, words: list[str]) -> bool:
    text = f"{choice.shown} {choice.value} {choice.note}".lower()
    return all(word in text for word in words)


def _begins(value: str, start: str) -> bool:
    """Whether a value begins with the text, with or without the door of a network's name (`timm:`)."""
    return value.startswith(start) or value.partition(":")[2].startswith(start)


class _Typed(FilterInput):
    """The line of a picker: Tab completes, and Escape closes the list first."""

    def on_key(self, event: events.Key) -> None:
        picker = self.query_ancestor(Picker)
        if event.key == "tab" and picker.completes():
            picker.complete()
            event.stop()
            event.prevent_default()
        elif event.key == "escape" and picker.open and not picker.always_open:
            picker.close()
            event.stop()
            event.prevent_default()


class Picker(Vertical):
    """A labelled line with its list. `Changed` tells each new value, `Accepted` that Enter was pressed."""

    DEFAULT_CSS = """
    Picker { height: auto; }
    Picker > Horizontal { height: 1; }
    Picker .label { width: 10; color: $secondary; }
    Picker Input { width: 1fr; }
    Picker .opens { width: 2; color: $secondary; background: $panel; }
    Picker OptionList { height: auto; max-height: 9; margin-left: 10; display: none; border: none; padding: 0;
        background: $panel; scrollbar-size-vertical: 1; }
    Picker .nothing, Picker .whole { display: none; margin-left: 10; color: $secondary; height: auto; }
    Picker.-bare .label { display: none; }
    Picker.-bare OptionList, Picker.-bare .nothing, Picker.-bare .whole { margin-left: 0; }
    Picker OptionList > .option-list--option { background: $panel; }
    Picker OptionList > .option-list--option-highlighted { background: $block-cursor-background; }
    """

    class Changed(Message):
        """The value is another one."""

        def __init__(self, picker: "Picker", value: str) -> None:
            super().__init__()
            self.picker, self.value = picker, value

        @property
        def control(self) -> "Picker":
            """For `@on(Picker.Changed, "#id")`."""
            return self.picker

    class Accepted(Message):
        """Enter took a choice, or let what was typed stand; the next line has the focus."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    def __init__(
        self,
        label: str,
        source: Source,
        value: str = "",
        placeholder: str = "",
        *,
        id: str,
        always_open: bool = False,
        free: bool = True,
        several: bool = False,
    ) -> None:
        """`always_open` shows the list from the beginning; without `free`, only what is in it can be taken.

        With `several`, taking an entry leaves line and list as they are, for the next one.
        """
        super().__init__(id=id, classes="" if label else "-bare")
        self.always_open, self._free, self._several = always_open, free, several
        self._label, self._source, self._first, self._placeholder = label, source, value, placeholder
        self._choices: list[Choice] = []
        self._quiet = False
        self._width = 0
        """The width for which the list was filled."""
        self._asked = ""
        """What the source was asked for."""
        self._cut: frozenset[int] = frozenset()
        """The entries that are too long for their row."""

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static(Text(self._label), classes="label")
            yield _Typed(
                self._first, moves=self.move, placeholder=self._placeholder, compact=True, id=f"{self.id}-line"
            )
            if self._source is not nothing and not self.always_open:
                yield Static(glyphs().falling, classes="opens")
        choices = OptionList(compact=True)
        choices.can_focus = False
        yield choices
        yield Static(classes="whole")
        yield Static(classes="nothing")

    def on_mount(self) -> None:
        """Filled at once where the list is always open, with all of it: what stands in the line filters nothing yet."""
        if self.always_open:
            self._fill(self._first if self._first.endswith("/") else "")

    def on_resize(self) -> None:
        """The entries are cut to the room that there is, which is known only now."""
        if self.open and self.size.width != self._width:
            self.refill()

    @property
    def value(self) -> str:
        """What stands in the line."""
        return self.query_one(_Typed).value.strip()

    def put(self, value: str) -> None:
        """Sets the line without opening the list."""
        self._quiet = True
        self.query_one(_Typed).value = value

    @property
    def open(self) -> bool:
        """Whether the list is shown."""
        return bool(self.query_one(OptionList).display)

    def refill(self) -> None:
        """Asks for the entries anew; the cursor stays where it was."""
        options = self.query_one(OptionList)
        highlighted = options.highlighted
        self._fill(self._asked)
        if highlighted is not None and highlighted < len(self._choices):
            options.highlighted = highlighted

    def clear(self) -> bool:
        """Takes away what was typed to filter the list; False if there is nothing."""
        line = self.query_one(_Typed)
        if not line.value:
            return False
        line.value = ""
        return True

    def close(self) -> None:
        """Hides the list, unless it is always open."""
        if not self.always_open:
            self.query_one(OptionList).display = False
            self.query_one(".whole").display = False
            self._say_nothing("")

    def completes(self) -> bool:
        """Whether Tab completes: a completion is shown, and it is not what stands in the line."""
        highlighted = self.query_one(OptionList).highlighted
        if not self.open or highlighted is None or not self.value:
            return False
        return self._choices[highlighted].value != self.value

    def complete(self) -> None:
        """Completes the line as a shell does: as far as all completions agree, else to the one that is lit."""
        choice = self._choices[self.query_one(OptionList).highlighted or 0]
        line = self.query_one(_Typed)
        least, greatest = min(c.value for c in self._choices), max(c.value for c in self._choices)
        same = next((n for n, pair in enumerate(zip(least, greatest, strict=False)) if pair[0] != pair[1]), len(least))
        common = least[:same]
        longer = common.startswith(line.value) and len(common) > len(line.value)
        line.value = common if longer and len(self._choices) > 1 else choice.value
        line.cursor_position = len(line.value)

    def move(self, key: str) -> None:
        """Moves in the list, opening it first."""
        options = self.query_one(OptionList)
        if not self.open:
            self._fill(self.value if self.value.endswith("/") else "")  # a folder's folders, else every choice
            return
        {"down": options.action_cursor_down, "up": options.action_cursor_up}.get(
            key, options.action_page_down if key == "pagedown" else options.action_page_up
        )()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if not self._quiet and self.query_one(_Typed).has_focus:
            self._fill(event.value)
        self._quiet = False
        self.post_message(self.Changed(self, event.value.strip()))

    def _fill(self, typed: str) -> None:
        self._width, self._asked = self.size.width, typed
        self._choices = list(self._source(typed))[:_MOST]
        options = self.query_one(OptionList)
        options.clear_options()
        quiet = Style(color=self.app.theme_variables["secondary"])
        longest = max((cell_len(clean(choice.words)) for choice in self._choices), default=0)
        total = self.size.width - (_LABEL if self._label else 0) - 2
        notes = max((cell_len(clean(choice.note)) for choice in self._choices), default=0)
        width = min(longest, max(10, total - (min(notes, total // 3) + 2 if notes else 0)))
        room = max(0, total - width - 2)
        rows, cut = [], set[int]()
        for number, choice in enumerate(self._choices):
            fit = wording.fit_start if choice.words.startswith(("/", "~", ".")) else wording.fit
            words = fit(choice.words, width) + "  "
            if cell_len(clean(choice.words)) > width or cell_len(clean(choice.note)) > room:
                cut.add(number)
            rows.append(Option(Text.assemble(words, (wording.fit(choice.note, room), quiet))))
        self._cut = frozenset(cut)
        options.add_options(rows)
        options.display = bool(self._choices)
        options.highlighted = self._meant(typed)
        self._say_whole(options.highlighted)
        missing = bool(typed.strip()) and not self._choices and (self.always_open or not self._free)
        # Of a line without a list nothing can be missing; of one with a list an empty place looks as if it were broken.
        said = f'Nothing matches "{clean(typed.strip())}"' + ("; Enter takes it as it is typed." if self._free else ".")
        self._say_nothing(said if missing and self._source is not nothing else "")

    @on(OptionList.OptionHighlighted)
    def _lit(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self.open:
            self._say_whole(event.option_index)

    def _say_whole(self, lit: int | None) -> None:
        """The whole of the entry that is lit, below the list, where its row cuts it."""
        whole = self.query_one(".whole", Static)
        choice = self._choices[lit] if lit is not None and lit in self._cut and self.open else None
        whole.update(Text("" if choice is None else clean(f"{choice.words}  {choice.note}")))
        whole.display = choice is not None

    def _say_nothing(self, sentence: str) -> None:
        nothing = self.query_one(".nothing", Static)
        nothing.update(Text(sentence))
        nothing.display = bool(sentence)

    def _meant(self, typed: str) -> int | None:
        """What Enter takes: the choice that was typed out, else the first; a folder typed to its end stands itself."""
        values = [choice.value for choice in self._choices]
        if not typed.strip() and self._placeholder:
            return None  # an empty line means what its placeholder says
        if typed in values:
            return values.index(typed)
        return 0 if values and not typed.endswith("/") else None

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        highlighted = self.query_one(OptionList).highlighted
        if self.open and highlighted is not None:
            self._take(highlighted)
        elif self._free or not self.value:
            self._accept(self.value)

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(event.option_index)

    def _take(self, index: int) -> None:
        choice = self._choices[index]
        if self._several:
            self.post_message(self.Accepted(choice.value))
            return
        line = self.query_one(_Typed)
        self._quiet = True
        if line.value == choice.value:
            self._quiet = False
        line.value = choice.value
        line.cursor_position = len(choice.value)
        if choice.more:
            self._fill(choice.value)
        else:
            self._accept(choice.value)

    def _accept(self, value: str) -> None:
        self.close()
        self.post_message(self.Accepted(value))
        self.screen.focus_next()

    def on_descendant_blur(self) -> None:
        self.close()
