"""The runs of a comparison: colour, name, state, the value under the cursor, and the extremes."""

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from screens import wording
from screens.look import STATE_COLOURS, glyphs, series_colour
from screens.snapshot import RunRow
from screens.widgets.chart import Curve
from screens.widgets.chart_axis import number
from vitbench.text import clean

_MOST_ROWS = 10
_OTHER_COLUMNS = 57
"""Cells that a row takes beside the name."""

Row = tuple[RunRow, int, Curve | None, int | None]


class CompareTable(Widget):
    """One row a run; as high as it needs to be, up to a limit."""

    DEFAULT_CSS = "CompareTable { height: auto; max-height: 40%; padding: 0 1; background: $background; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Text()

    def show(self, rows: Sequence[Row]) -> None:
        """Replaces the rows; nothing is sent if they read the same."""
        text = self._written(rows)
        if text != self._text or text.spans != self._text.spans:
            taller = text.plain.count("\n") != self._text.plain.count("\n")
            self._text = text
            self.refresh(layout=taller)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """The heading and the rows."""
        return self._text.plain.count("\n") + 1

    def render(self) -> RenderResult:
        """The table."""
        return self._text

    def _written(self, rows: Sequence[Row]) -> Text:
        colours = self.app.theme_variables
        quiet = Style(color=colours["secondary"])
        longest = max((cell_len(clean(run.title)) for run, *_ in rows), default=0)
        width = max(10, min(longest, 40, self.app.size.width - _OTHER_COLUMNS))
        text = Text(no_wrap=True, overflow="crop", end="")
        head = f"  {'Run':<{width}}  {'State':<10} {'Value':>9} {'at':>9} {'Lowest':>9} {'Highest':>9}"
        text.append(head, quiet)
        for run, colour, curve, at in rows[:_MOST_ROWS]:
            paint = Style(color=series_colour(colour, self.app.current_theme.dark))
            text.append("\n")
            text.append(glyphs().legend + " ", paint)
            text.append(wording.fit(run.title, width) + "  ", Style(color=colours["foreground"]))
            text.append(f"{run.state:<10} ", Style(color=colours[STATE_COLOURS[run.state]]))
            if curve is None or at is None:
                text.append("not measured", quiet)
                continue
            finite = curve.y[np.isfinite(curve.y)]
            text.append(f"{number(float(curve.y[at])):>9} ", Style(color=colours["foreground"], bold=True))
            text.append(f"{number(float(curve.x[at])):>9} ", quiet)
            if finite.size:
                text.append(f"{number(float(finite.min())):>9} {number(float(finite.max())):>9}", quiet)
        if len(rows) > _MOST_ROWS:
            text.append(f"\n  and {len(rows) - _MOST_ROWS} more", quiet)
        return text
