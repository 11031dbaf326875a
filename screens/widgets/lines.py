"""Single lines that frame a screen: its title, its progress, its views and its keys."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.binding import Binding
from textual.keys import key_to_character
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from screens import wording
from screens.look import glyphs

LEAST_WIDTH, LEAST_HEIGHT = 50, 12
"""Cells below which a screen gives way to a sentence."""

_NAMED_SIGNS = ("slash", "minus", "plus", "underscore", "at", "backslash")
"""Signs whose key names Textual does not turn back into a character."""


class TextLine(Widget):
    """One row of text in two parts: what is at the left gives way to what is at the right, up to half of the row."""

    DEFAULT_CSS = "TextLine { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str = "") -> None:
        super().__init__(id=id, classes=classes)
        self._left, self._right = Text(), Text()

    def show(self, left: Text, right: Text | None = None) -> None:
        """Replaces both parts; nothing is sent if they are the same."""
        right = right or Text()
        if _differ(left, self._left) or _differ(right, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> RenderResult:
        """The line in the width that there is."""
        width = self.size.width
        right = self._right.copy()
        right = _end_of(right, max(width // 2, width - self._left.cell_len - 1))
        room = width - right.cell_len
        left = self._left.copy()
        left.truncate(max(0, room - 1), overflow="ellipsis" if not glyphs().ascii else "crop")
        return Text.assemble(left, " " * max(0, room - left.cell_len), right, no_wrap=True, end="")


def _end_of(text: Text, cells: int) -> Text:
    """The end of a text that is too wide, such as the checkpoint behind the name of a run."""
    if text.cell_len <= cells:
        return text
    sign = "" if glyphs().ascii else "…"
    start = len(text)
    while start and text[start - 1 :].cell_len + len(sign) <= cells:
        start -= 1
    return Text.assemble((sign, text.style), text[start:])


def _differ(one: Text, other: Text) -> bool:
    """Whether two texts read or look different; Rich's own comparison leaves out the style of the whole."""
    return one != other or one.style != other.style


class ProgressLine(Widget):
    """How far a run is: a bar, and what a person wants to know beside it."""

    DEFAULT_CSS = "ProgressLine { height: 1; width: 1fr; }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"progress--full", "progress--empty"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._share, self._text, self._colour = 0.0, "", "primary"

    def show(self, share: float, text: str, colour: str = "primary") -> None:
        """Replaces share, text and the theme's colour for the bar."""
        if (share, text, colour) != (self._share, self._text, self._colour):
            self._share, self._text, self._colour = share, text, colour
            self.refresh()

    def render(self) -> RenderResult:
        """Bar, then text."""
        text = wording.fit(self._text, min(cell_len(self._text), max(0, self.size.width - 12)))
        full, empty = wording.bar(self._share, max(4, self.size.width - cell_len(text) - 2))
        colours = self.app.theme_variables
        return Text.assemble(
            (full, colours[self._colour]), (empty, colours["border"]), "  ", text, no_wrap=True, end=""
        )


class ViewLine(Widget):
    """The views of a screen by number, the current one marked; a click changes it."""

    DEFAULT_CSS = "ViewLine { height: 1; width: 1fr; }"

    class Picked(Message):
        """A view was clicked."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, views: Sequence[tuple[str, str]], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.views = tuple(views)
        self.current = self.views[0][0]

    def pick(self, view: str) -> None:
        """Marks a view as the current one."""
        self.current = view
        self.refresh()

    def render(self) -> RenderResult:
        """`1 Curves  2 System ...`"""
        colours = self.app.theme_variables
        text = Text(no_wrap=True, end="")
        for number, (name, title) in enumerate(self.views, 1):
            here = name == self.current
            text.append(f"{number} ", Style(color=colours["accent"]))
            style = Style(color=colours["foreground"] if here else colours["secondary"], bold=here, underline=here)
            text.append(title, style)
            text.append("   ")
        return text

    def on_click(self, event: events.Click) -> None:
        left = 0
        for number, (name, title) in enumerate(self.views, 1):
            width = len(f"{number} {title}")
            if left <= event.x < left + width:
                self.post_message(self.Picked(name))
            left += width + 3


class KeyLine(Widget):
    """The keys that matter now, those of the focus first, as many as there is room for."""

    DEFAULT_CSS = "KeyLine { dock: bottom; height: 1; width: 1fr; background: $surface; }"

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._shown: list[tuple[str, str]] = []
        self._places: list[tuple[int, int, str]] = []

    def _changed(self, _: object) -> None:
        keys = [(key, title) for key, title, _ in self._keys()]
        if keys != self._shown:
            self._shown = keys
            self.refresh()

    def _keys(self) -> list[tuple[str, str, str]]:
        """Shown key, title and Textual's name of the key; each once. A key that types a letter now is left out."""
        found: dict[str, tuple[str, str, str]] = {}
        typing = isinstance(self.screen.focused, Input)
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if typing and _types(binding.key):
                continue
            if binding.show and enabled and binding.description not in found:
                found[binding.description] = (self._sign(binding), binding.description, binding.key)
        everywhere = {"help", "commands", "leave"}
        own = [entry for title, entry in found.items() if title not in everywhere]
        return own + [found[title] for title in ("commands", "help", "leave") if title in found]

    def _sign(self, binding: Binding) -> str:
        if binding.key.startswith("f") and binding.key[1:].isdigit():
            return binding.key  # the other key of an action whose first one types a letter now
        return self.app.get_key_display(binding)

    def render(self) -> RenderResult:
        """Keys and titles; what finds no room is in the help."""
        colours = self.app.theme_variables
        text = Text(no_wrap=True, end="")
        self._places = []
        keys = self._keys()
        tail = [entry for entry in keys if entry[1] in ("help", "leave")]
        room = self.size.width - sum(len(sign) + len(title) + 3 for sign, title, _ in tail)
        chosen = []
        for entry in keys:
            length = len(entry[0]) + len(entry[1]) + 3
            if entry in tail or length <= room:
                chosen.append(entry)
                room -= 0 if entry in tail else length
        for sign, title, key in chosen:
            start = text.cell_len
            text.append(f" {sign} ", Style(color=colours["accent"], bold=True))
            text.append(f"{title} ", Style(color=colours["secondary"]))
            self._places.append((start, text.cell_len, key))
        return text

    async def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


def _types(key: str) -> bool:
    """Whether a line to type in takes this key for itself."""
    character = key_to_character(key)
    return key in _NAMED_SIGNS or (character is not None and character.isprintable())


class TooSmall(Widget):
    """What a tiny terminal shows instead of a screen."""

    DEFAULT_CSS = """
    TooSmall { display: none; layer: above; width: 100%; height: 100%; background: $background; color: $foreground; }
    .-tiny-width TooSmall, .-tiny-height TooSmall { display: block; }
    """

    def render(self) -> RenderResult:
        """A sentence, wrapped."""
        here = f"{self.app.size.width}x{self.app.size.height}"
        return Text(f"vitbench needs {LEAST_WIDTH}x{LEAST_HEIGHT} cells; here are {here}. Runs go on. q leaves.")
