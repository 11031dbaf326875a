"""Every key of a recipe with its value and its meaning; Enter changes one, and says at once what is wrong with it."""

from collections.abc import Callable, Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Vertical
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from screens import wording
from screens.actions import bindings
from screens.recipe_draft import Field
from screens.typed_work import ask_before_losing
from screens.widgets.searching import Searchable

Check = Callable[[str, str], str]


class FieldList(ScrollView, Searchable, can_focus=True):
    """The keys as rows with a cursor."""

    BINDINGS = bindings("fields")
    DEFAULT_CSS = "FieldList { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $background; }"

    class Moved(Message):
        """The cursor is on another key."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.fields: list[Field] = []
        self.row = 0

    def show(self, fields: list[Field]) -> None:
        """Replaces the rows; the cursor stays on its key."""
        path = self.current.path if self.current else ""
        self.fields = fields
        self.row = next((index for index, field in enumerate(fields) if field.path == path), 0)
        self.virtual_size = Size(self.size.width, len(fields))
        self.search_again()
        self.refresh()

    def searched(self) -> Sequence[str]:
        return [f"{field.path} {field.value} {field.explanation}" for field in self.fields]

    def first_searched(self) -> int:
        return self.row

    def reveal(self, line: int) -> None:
        self.move(line - self.row)

    @property
    def current(self) -> Field | None:
        """The key under the cursor."""
        return self.fields[self.row] if self.row < len(self.fields) else None

    def render_line(self, y: int) -> Strip:
        """One key."""
        index = int(self.scroll_offset.y) + y
        base = self.rich_style
        if index >= len(self.fields):
            return Strip.blank(self.size.width, base)
        field = self.fields[index]
        if index == self.row:
            base += Style(bgcolor=self._colour("block-cursor-background" if self.has_focus else "panel"))
        name = base + Style(color=self._colour("primary"))
        value = base + Style(color=self._colour("accent" if field.changed else "foreground"), bold=field.changed)
        quiet = base + Style(color=self._colour("secondary"))
        room = max(0, self.scrollable_content_region.width - 42)
        return Strip(
            [
                *self.marked(wording.fit(field.path, 24) + " ", name),
                Segment(wording.fit(field.value or "not set", 15) + "  ", value if field.value else quiet),
                *self.marked(wording.fit(field.explanation, room), quiet),
            ]
        ).adjust_cell_length(self.size.width, base)

    def _colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).hex6

    def move(self, rows: int) -> None:
        """Moves the cursor."""
        if not self.fields:
            return
        self.row = min(max(self.row + rows, 0), len(self.fields) - 1)
        first, height = int(self.scroll_offset.y), max(1, self.size.height)
        if self.row < first:
            self.scroll_to(y=self.row, animate=False)
        elif self.row >= first + height:
            self.scroll_to(y=self.row - height + 1, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def on_key(self, event: events.Key) -> None:
        page = max(1, self.size.height - 1)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page, "home": -999, "end": 999}
        if event.key in steps:
            self.move(steps[event.key])
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        self.move(int(self.scroll_offset.y) + event.y - self.row)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()

    def action_edit(self) -> None:
        self.query_ancestor(RecipeFields).edit(self.current)

    def action_unset(self) -> None:
        if self.current is not None and self.current.changed:
            self.post_message(RecipeFields.Changed(self.current.path, None))


class RecipeFields(Vertical):
    """The list of keys and the line that changes one of them."""

    DEFAULT_CSS = """
    RecipeFields #edit { display: none; }
    RecipeFields #about { color: $secondary; background: $surface; height: auto; max-height: 3; }
    """

    class Changed(Message):
        """A key has a new value, in TOML or as plain text; None is the preset's own."""

        def __init__(self, path: str, value: str | None) -> None:
            super().__init__()
            self.path, self.value = path, value

    def __init__(self, check: Check, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._check = check
        self._path = self._value = ""
        """The key that the line changes, and what it was."""

    def compose(self) -> ComposeResult:
        yield FieldList(id="fields")
        yield Input(id="edit", compact=True)
        yield Static(id="about")

    def show(self, fields: list[Field]) -> None:
        """Replaces the keys."""
        self.query_one(FieldList).show(fields)
        self._explain()

    @on(FieldList.Moved)
    def _explain(self) -> None:
        """The whole explanation of the key under the cursor, which its row may cut."""
        field = self.query_one(FieldList).current
        if field is not None and not self.query_one("#edit").display:
            self.query_one("#about", Static).update(Text(f"{field.path}: {field.explanation}"))

    def edit(self, field: Field | None) -> None:
        """Opens the line for a key."""
        if field is None:
            return
        self._path, self._value = field.path, field.value
        line = self.query_one("#edit", Input)
        line.value, line.display = field.value, True
        line.placeholder = field.explanation
        self._show_check(field.value)
        line.focus()

    @on(Input.Changed, "#edit")
    def _edited(self, event: Input.Changed) -> None:
        event.stop()
        self._show_check(event.value)

    def _show_check(self, value: str) -> None:
        problem = self._check(self._path, value) if value.strip() else ""
        colours = self.app.theme_variables
        words = Text(wording.fit(problem, 400).strip() or f"{self._path}: Enter takes it, Esc does not")
        words.stylize(colours["error"] if problem else colours["success"])
        self.query_one("#about", Static).update(words)

    @on(Input.Submitted, "#edit")
    def _done(self, event: Input.Submitted) -> None:
        event.stop()
        value = event.value.strip()
        if value and self._check(self._path, value):
            return
        self._close()
        self.post_message(self.Changed(self._path, value or None))

    def unsaved(self) -> str:
        """What stands in the open line and is not taken yet."""
        line = self.query_one("#edit", Input)
        typed = line.value.strip()
        return f"{self._path} = {typed}" if line.display and typed and typed != self._value else ""

    def key_escape(self, event: events.Key) -> None:
        """Closes the line, after a question where it has another value than before."""
        if not self.query_one("#edit").display:
            return
        event.stop()
        if lost := self.unsaved():
            ask_before_losing(self.app, f"Go back without {lost}?", "Leave it out", self._close)
        else:
            self._close()

    def _close(self) -> None:
        self.query_one("#edit").display = False
        self.query_one(FieldList).focus()
        self._explain()
