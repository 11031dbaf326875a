"""The table of runs: as many columns as there is room for, only changed rows are redrawn."""

import time
from collections.abc import Sequence
from operator import attrgetter

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens import wording
from screens.columns import COLUMNS, GAP, Column, Order, column_named, fitting_columns
from screens.look import STATE_COLOURS, glyphs, series_colour
from screens.snapshot import RunRow

__all__ = ["COLUMNS", "RunTable"]

_GAP = GAP


class RunTable(ScrollView, can_focus=True):
    """Rows of runs with a cursor, marks and a sort order. It holds no store: it shows what `show` gives it."""

    DEFAULT_CSS = "RunTable { background: $background; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    class Selected(Message):
        """The cursor is on another run (None when there is none)."""

        def __init__(self, run: RunRow | None) -> None:
            super().__init__()
            self.run = run

    class Chosen(Message):
        """A run was clicked twice."""

        def __init__(self, run: RunRow) -> None:
            super().__init__()
            self.run = run

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[RunRow] = []
        self._judged_by: frozenset[str] = frozenset()
        self.marked: set[str] = set()
        self.colours: dict[str, int] = {}
        self.sort_column = "age"
        self.sort_reverse = False
        self.cursor_id: str | None = None
        self.awaited_id: str | None = None
        """The run on which the cursor goes when it comes, such as one that was just started."""
        self.empty_text = ""
        self.chosen: tuple[Column, ...] = ()
        """The columns that a person has chosen."""
        self.usual = True
        """Whether there are the usual columns too, as many as there is room for."""
        self._reading, self._moved = True, False
        """Whether the rows before were those of a store that was still being read; whether the cursor was moved."""
        self._longest = 0
        """Characters of the longest name."""
        self._given: Sequence[RunRow] = ()
        self._sorted_by = ("", False)
        self._shown: list[Strip] = []
        self._drawn: dict[str, tuple[tuple[RunRow, bool, int | None, str], Strip]] = {}
        """The rows in view with what they show, so that only those are drawn anew that differ."""
        self._look: tuple[object, ...] = ()
        self._styles: dict[tuple[str, str, bool], Style] = {}
        """By column, state and whether the cursor is there: found once for each look, not for each cell."""
        self._columns: list[tuple[Column, int]] = []
        self._places: dict[str, int] = {}
        self._ordered: dict[str, tuple[RunRow, Order | None]] = {}
        """By what each run is sorted, so that only rows that have changed are looked at."""

    @property
    def cursor_row(self) -> int:
        """The row of the cursor, 0 where the table is empty."""
        return self._places.get(self.cursor_id or "", 0)

    @property
    def current(self) -> RunRow | None:
        """The run under the cursor."""
        return self.rows[self.cursor_row] if self.rows else None

    def visible_runs(self) -> list[RunRow]:
        """The runs whose rows can be seen now."""
        first = int(self.scroll_offset.y)
        return self.rows[first : first + max(1, self.size.height - 1)]

    def show(self, runs: Sequence[RunRow], reading: bool = False) -> None:
        """Replaces the rows; the cursor stays on its run, or near where it was.

        While the store is being read (`reading`), a cursor that nobody has moved stays at the top.
        """
        before, selected = self.cursor_row, self.cursor_id
        if not self._took_values(runs):
            self._measure(runs)
            self.rows = self._sorted(runs)
            self._places = {run.id: place for place, run in enumerate(self.rows)}
            self._sorted_by = (self.sort_column, self.sort_reverse)
        self._given = runs
        came = self.awaited_id in self._places
        if came:
            self.cursor_id, self.awaited_id = self.awaited_id, None
        if self.cursor_id not in self._places:
            self.cursor_id = self.rows[min(before, len(self.rows) - 1)].id if self.rows else None
        elif self._reading and not self._moved and not came:
            self.cursor_id = self.rows[0].id
        self._moved = self._moved or came
        self._reading = reading
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self.redraw()
        if self.cursor_id != selected or came:
            self.scroll_to_row(self.cursor_row)
            self.post_message(self.Selected(self.current))

    def sort_by(self, name: str, reverse: bool | None = None) -> None:
        """Orders by a column; choosing the same one again keeps the direction unless `reverse` is given."""
        column = column_named(name)
        if name != self.sort_column:
            self._ordered.clear()
        self.sort_column = name
        self.sort_reverse = column is not None and column.descending if reverse is None else reverse
        self.show(self.rows)

    def sortable(self) -> list[str]:
        """The names of the columns to sort by."""
        return [column.name for column in dict.fromkeys((*COLUMNS, *self.chosen)) if column.name != "curve"]

    def _took_values(self, runs: Sequence[RunRow]) -> bool:
        """Puts new values of runs into their rows; False where the runs or their order may be others than before.

        Of thousands of runs a few change from look to look, seldom by what they are sorted by.
        """
        if runs is self._given and self._sorted_by == (self.sort_column, self.sort_reverse):
            return True
        if len(runs) != len(self._given) or self._sorted_by != (self.sort_column, self.sort_reverse):
            return False
        changed = [(run, before) for run, before in zip(runs, self._given, strict=True) if run is not before]
        column = column_named(self.sort_column) or COLUMNS[0]
        for run, before in changed:
            if (run.id, run.created_at) != (before.id, before.created_at):
                return False
            if column.order(run) != self._ordered[run.id][1]:
                return False
        for run, _ in changed:
            self.rows[self._places[run.id]] = run
            self._ordered[run.id] = (run, self._ordered[run.id][1])
        if any((run.title, run.score_metric) != (before.title, before.score_metric) for run, before in changed):
            self._measure(runs)
        return True

    def _measure(self, runs: Sequence[RunRow]) -> None:
        """What the columns depend on, of all runs: what they are judged by, and the longest name."""
        self._judged_by = frozenset(map(attrgetter("score_metric"), runs))
        self._longest = max((len(run.title) for run in runs), default=0)

    def _sorted(self, runs: Sequence[RunRow]) -> list[RunRow]:
        """In the order of the chosen column, the newest first among equals; what has no value comes last."""
        column = column_named(self.sort_column) or COLUMNS[0]
        known: list[RunRow] = []
        missing: list[RunRow] = []
        ordered: dict[str, tuple[RunRow, Order | None]] = {}
        for run in runs:
            entry = self._ordered.get(run.id)
            if entry is None or entry[0] is not run:
                entry = (run, column.order(run))
            ordered[run.id] = entry
            (missing if entry[1] is None else known).append(run)
        self._ordered = ordered
        for part in (known, missing):
            part.sort(key=lambda run: (-run.created_at, run.id))
        known.sort(key=lambda run: ordered[run.id][1], reverse=self.sort_reverse)  # type: ignore[arg-type,return-value]  # those without a value are in the other list
        return known + missing

    def redraw(self) -> None:
        """Draws anew and refreshes the rows that differ."""
        if not self.is_mounted or not self.size:
            return
        lines = self._lines()
        if len(lines) != len(self._shown):
            self._shown = lines
            self.refresh()
            return
        pairs = enumerate(zip(self._shown, lines, strict=True))
        changed = [y for y, (old, new) in pairs if old is not new and list(old) != list(new)]
        self._shown = lines
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """One visible row; row 0 is the heading."""
        if len(self._shown) != self.size.height:
            self._shown = self._lines()
        return self._shown[y] if y < len(self._shown) else Strip.blank(self.size.width, self.rich_style)

    def _lines(self) -> list[Strip]:
        self._columns = fitting_columns(self.size.width, self.chosen, self.usual, self._judged_by, self._longest)
        first = int(self.scroll_offset.y)
        now = time.time()
        look = (self.rich_style, self.size.width, self.app.theme, self.has_focus, self._columns)
        if look != self._look:
            self._look, self._drawn, self._styles = look, {}, {}
        before, self._drawn = self._drawn, {}
        lines = [self._heading()]
        for row in range(first, first + self.size.height - 1):
            if row >= len(self.rows):
                lines.append(self._blank(row - first))
                continue
            run = self.rows[row]
            shows = (run, run.id == self.cursor_id, self._mark_of(run), wording.age(run.age(now)))
            known = before.get(run.id)
            if known is None or known[0][0] is not run or known[0][1:] != shows[1:]:
                known = (shows, self._line(run, shows[1], shows[2], now))
            self._drawn[run.id] = known
            lines.append(known[1])
        return lines

    def _mark_of(self, run: RunRow) -> int | None:
        """The number of its colour, of a run or group that is marked."""
        marked = run.id in self.marked or (run.members and all(one.id in self.marked for one in run.members))
        return self.colours.get(run.id, 0) if marked else None

    def _blank(self, line: int) -> Strip:
        text = self.empty_text if not self.rows and line == 1 else ""
        style = self.rich_style + Style(color=self._colour("secondary"))
        return Strip([Segment(wording.fit("  " + text, self.size.width), style)])

    def _heading(self) -> Strip:
        style = self.rich_style + Style(color=self._colour("secondary"))
        chosen = self.rich_style + Style(color=self._colour("accent"))
        segments = [Segment("  ", style)]
        for column, width in self._columns:
            sign = (
                (glyphs().falling if self.sort_reverse else glyphs().rising) if column.name == self.sort_column else ""
            )
            title = wording.fit(column.title + sign, width, right=column.right)
            segments.append(Segment(title + " " * _GAP, chosen if sign else style))
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def _line(self, run: RunRow, here: bool, colour: int | None, now: float) -> Strip:
        base = self._style("", "", here)
        mark = " "
        mark_style = base
        if colour is not None:
            mark = glyphs().marked
            mark_style = base + Style(color=series_colour(colour, self.app.current_theme.dark))
        segments = [Segment(mark + " ", mark_style)]
        for column, width in self._columns:
            text = wording.fit(column.text(run, now, width), width, right=column.right)
            segments.append(Segment(text + " " * _GAP, self._style(column.name, run.state, here)))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, column: str, state: str, here: bool) -> Style:
        """Of a cell in a column, or of the ground of its row (`column` is empty)."""
        known = self._styles.get((column, state, here))
        if known is None:
            known = self.rich_style
            if here:
                known += Style(bgcolor=self._colour("block-cursor-background" if self.has_focus else "panel"))
            if column:
                known += self._cell_style(column, state, here)
            self._styles[column, state, here] = known
        return known

    def _cell_style(self, name: str, state: str, here: bool) -> Style:
        if name == "state":
            return Style(color=self._colour(STATE_COLOURS[state]))
        if name == "name":
            return Style(color=self._colour("foreground"), bold=here)
        if name == "curve":
            return Style(color=self._colour("primary"))
        if name in ("loss", "score", "best"):
            return Style(color=self._colour("foreground"))
        return Style(color=self._colour("foreground" if here else "secondary"))

    def _colour(self, name: str) -> str:
        return Color.parse(self.app.theme_variables[name]).hex6

    # Moving

    def scroll_to_row(self, row: int) -> None:
        """Brings a row into view."""
        height = max(1, self.size.height - 1)
        first = int(self.scroll_offset.y)
        if row < first:
            self.scroll_to(y=row, animate=False)
        elif row >= first + height:
            self.scroll_to(y=row - height + 1, animate=False)

    def move_to(self, row: int) -> None:
        """Puts the cursor on a row."""
        if not self.rows:
            return
        self._moved = True
        row = min(max(row, 0), len(self.rows) - 1)
        if self.rows[row].id != self.cursor_id:
            self.cursor_id = self.rows[row].id
            self.scroll_to_row(row)
            self.redraw()
            self.post_message(self.Selected(self.current))

    def move(self, key: str) -> bool:
        """Moves the cursor as a key does; False for a key that moves nothing."""
        page = max(1, self.size.height - 2)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page}
        ends = {"home": 0, "g": 0, "end": len(self.rows), "G": len(self.rows)}
        if key in steps:
            self.move_to(self.cursor_row + steps[key])
        elif key in ends:
            self.move_to(ends[key])
        return key in steps or key in ends

    def on_key(self, event: events.Key) -> None:
        if self.move(event.character if event.character in ("g", "G", "j", "k") else event.key):
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        row = int(self.scroll_offset.y) + event.y - 1
        if event.y == 0:
            self._sort_at(event.x)
        elif 0 <= row < len(self.rows):
            self.move_to(row)
            if event.chain == 2 and self.current is not None:
                self.post_message(self.Chosen(self.current))

    def _sort_at(self, x: int) -> None:
        left = 2
        for column, width in self._columns:
            if left <= x < left + width + _GAP and column.name != "curve":
                same = column.name == self.sort_column
                self.sort_by(column.name, not self.sort_reverse if same else None)
            left += width + _GAP

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._shown = []
        self.refresh()

    def on_resize(self) -> None:
        self._shown = []
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self.scroll_to_row(self.cursor_row)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._forget, init=False)

    def forget_drawn(self) -> None:
        """The columns are others: all is drawn anew."""
        self._forget()

    def _forget(self) -> None:
        self._shown, self._drawn, self._styles = [], {}, {}
        self.refresh()
