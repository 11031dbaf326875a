"""The runs of a comparison: colour, name, state, the value under the cursor, and the extremes."""

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens import wording
from screens.look import STATE_COLOURS, glyphs, series_colour
from screens.snapshot import RunRow
from screens.widgets.chart import Curve
from screens.widgets.chart_axis import number, place
from screens.widgets.searching import Searchable
from vitbench.text import clean

_OTHER_COLUMNS = 57
"""Cells that a row takes beside the name."""

Row = tuple[RunRow, int, Curve | None, int | None, tuple[float, float] | None]
"""A run or a group, its colour, its curve, the place of the value in it, and of a group the edges of its band there."""


class CompareTable(ScrollView, Searchable, can_focus=True):
    """A heading that stays and one row a run; as high as it needs to be, up to a limit, from which on it scrolls."""

    DEFAULT_CSS = """
    CompareTable { height: auto; max-height: 40%; padding: 0 1; background: $background; overflow-x: hidden;
        scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heading = Text()
        self._lines: list[Text] = []

    def show(self, rows: Sequence[Row], scalar: str = "") -> None:
        """Replaces the rows; nothing is sent if they read the same. `scalar` says of what the values are."""
        before, width = [self._heading, *self._lines], self._name_width(rows)
        self._heading = self._written_heading(width, scalar)
        self._lines = [self._written(row, width) for row in rows]
        self.search_again()
        now = [self._heading, *self._lines]
        if len(now) != len(before):
            self.virtual_size = Size(0, len(now))
            self.refresh(layout=True)
        elif any(new != old or new.spans != old.spans for new, old in zip(now, before, strict=True)):
            self.refresh()

    def searched(self) -> Sequence[str]:
        return [line.plain for line in self._lines]

    def first_searched(self) -> int:
        return int(self.scroll_offset.y)

    def reveal(self, line: int) -> None:
        self.scroll_to(y=max(0, line - (self.size.height - 1) // 2), animate=False)

    def render_line(self, y: int) -> Strip:
        """The heading, or the row of a run."""
        line, base = self._heading if y == 0 else None, self.rich_style
        if (index := int(self.scroll_offset.y) + y - 1) < len(self._lines) and y > 0:
            line = self._lines[index]
            if index == self.match:
                base += Style(bgcolor=Color.parse(self.app.theme_variables["block-cursor-background"]).hex6)
        if line is None:
            return Strip.blank(self.size.width, base)
        strip = Strip(line.render(self.app.console)).apply_style(base)
        return strip.adjust_cell_length(self.size.width, base)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.refresh()

    def _name_width(self, rows: Sequence[Row]) -> int:
        longest = max((cell_len(clean(run.title)) for run, *_ in rows), default=0)
        return max(10, min(longest, 40, self.app.size.width - _OTHER_COLUMNS))

    def _written_heading(self, width: int, scalar: str) -> Text:
        colours = self.app.theme_variables
        head = f"  {'Run':<{width}}  {'State':<10} {'Value':>9} {'at':>9} {'Lowest':>9} {'Highest':>9}"
        text = Text(end="").append(head, Style(color=colours["secondary"]))
        return text.append(f"   {clean(scalar)}" if scalar else "", Style(color=colours["accent"]))

    def _written(self, row: Row, width: int) -> Text:
        run, colour, curve, at, band = row
        colours = self.app.theme_variables
        quiet = Style(color=colours["secondary"])
        text = Text(end="")
        text.append(glyphs().legend + " ", Style(color=series_colour(colour, self.app.current_theme.dark)))
        text.append(wording.fit(run.title, width) + "  ", Style(color=colours["foreground"]))
        text.append(f"{run.state:<10} ", Style(color=colours[STATE_COLOURS[run.state]]))
        if curve is None or at is None:
            return text.append("not measured", quiet)
        finite = curve.y[np.isfinite(curve.y)]
        text.append(f"{number(float(curve.y[at])):>9} ", Style(color=colours["foreground"], bold=True))
        text.append(f"{place(float(curve.x[at])):>9} ", quiet)
        if finite.size:
            low, high = band or (float(finite.min()), float(finite.max()))
            text.append(f"{number(low):>9} {number(high):>9}", Style(color=colours["accent"]) if band else quiet)
        return text
