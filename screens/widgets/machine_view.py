"""The machine as bars and curves: each GPU with those who hold it, processors, memory, disk, and what waits."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from screens.look import glyphs
from vitbench.text import clean, shortened

GIB = 2**30
KEPT = 240
"""Looks that are kept for the curves."""
_NAME = 9
_LEAST_BAR, _MOST_BAR = 10, 40


@dataclass(frozen=True)
class Meter:
    """One bar: `share` is 0 to 1, or None where it is not known; `words` stand behind it."""

    name: str
    share: float | None
    words: str
    history: tuple[float, ...] = ()


class MeterHistory:
    """The shares of each meter over the last looks, by name."""

    def __init__(self) -> None:
        self._values: dict[str, deque[float]] = {}

    def add(self, name: str, share: float | None) -> tuple[float, ...]:
        """Adds one value and returns all that are kept, the oldest first."""
        values = self._values.setdefault(name, deque(maxlen=KEPT))
        if share is not None:
            values.append(share)
        return tuple(values)


class MachineView(VerticalScroll, can_focus=True):
    """Shows blocks of lines, each under a heading; scrolls by key."""

    DEFAULT_CSS = """
    MachineView { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    MachineView Static { height: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="machine-text")

    def show(self, blocks: Sequence[Text]) -> None:
        """Replaces what is shown."""
        text = Text("\n\n").join(blocks)
        self.query_one("#machine-text", Static).update(text)

    def heading(self, title: str, words: str = "", colour: str = "secondary") -> Text:
        """The first line of a block."""
        colours = self.app.theme_variables
        text = Text(clean(title), Style(color=colours["foreground"], bold=True))
        if words:
            text.append(f"  {clean(words)}", Style(color=colours[colour], bold=False))
        return text

    def line(self, words: str, colour: str = "foreground") -> Text:
        """A line of a block."""
        return Text(f"\n  {clean(words)}", Style(color=self.app.theme_variables[colour]))

    def meter(self, meter: Meter) -> Text:
        """A bar with its name and words, and the curve of the last minutes where there is room."""
        colours = self.app.theme_variables
        width = max(self.size.width, 40) - _NAME - 4
        words = clean(meter.words)
        bar = max(_LEAST_BAR, min(_MOST_BAR, width // 3, width - len(words) - 2))  # all of one width where words allow
        text = Text(f"\n  {meter.name:<{_NAME}}", Style(color=colours["secondary"]))
        if meter.share is None:
            text.append(glyphs().empty * bar, Style(color=colours["border"]))
        else:
            full = round(min(1.0, max(0.0, meter.share)) * bar)
            text.append(glyphs().full * full, Style(color=colours[level(meter.share)]))
            text.append(glyphs().empty * (bar - full), Style(color=colours["border"]))
        text.append(f"  {words}", Style(color=colours["foreground"]))
        room = width - bar - len(words) - 4
        if room >= 8 and len(meter.history) > 1:
            text.append(f"  {curve(meter.history[-room:])}", Style(color=colours["primary"]))
        return text


def curve(shares: Sequence[float]) -> str:
    """A bar a value, on the scale from 0 to 1."""
    signs = glyphs().spark
    return "".join(signs[min(len(signs) - 1, int(max(0.0, share) * len(signs)))] for share in shares)


def level(share: float) -> str:
    """The theme's colour of a bar."""
    return "error" if share >= 0.97 else "warning" if share >= 0.85 else "success"


def gigabytes(size: int | None) -> str:
    """A size in GB; `?` where it is not known."""
    return "?" if size is None else f"{size / GIB:.1f}"


def holder_line(size: int | None, user: str, title: str) -> str:
    """Who holds how much of a GPU."""
    return f"{gigabytes(size):>6} GB  {user:<14}  {shortened(title, 200)}"
