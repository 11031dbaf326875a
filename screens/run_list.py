"""Which runs the table shows, in which order and columns, and whether those of several seeds are one line.

All of it is remembered.
"""

from collections.abc import Sequence

from rich.text import Text
from textual import events, on
from textual.widgets import Input

from screens.actions import bindings
from screens.ask_dialog import ChooseSeveral, choose
from screens.columns import COLUMNS, column_named
from screens.desk import Desk
from screens.snapshot import RunRow, Snapshot
from screens.widgets.filter_input import FilterInput
from screens.widgets.lines import TextLine
from screens.widgets.picker import Choice
from screens.widgets.run_table import RunTable
from vitbench.errors import UserError
from vitbench.listing.filters import Filter, completions, names_in, parse_filter
from vitbench.listing.groups import Groups
from vitbench.listing.recipe_keys import known_keys
from vitbench.listing.values import is_recipe_key, metric_of
from vitbench.text import clean

USUAL = "usual"
"""Stands for the usual columns among those that are chosen."""
_MOST_COLUMNS = 20
_SHOWN_COMPLETIONS = 8


class FilterLine(FilterInput):
    """The line of the filter, with what its keys do; Tab completes keys and values."""

    BINDINGS = bindings("filter")

    def on_key(self, event: events.Key) -> None:
        screen = self.screen
        if event.key == "tab" and isinstance(screen, RunList) and screen.complete_filter():
            event.stop()
            event.prevent_default()
            return
        super().on_key(event)


class RunList(Desk):
    """Subclasses have a RunTable, an Input `filter` and a TextLine `completions`."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = Filter()
        self.filter_problem = ""
        self.grouped = False
        self._groups = Groups()
        self._listed: tuple[Snapshot | None, Filter, bool, list[RunRow]] = (None, self.filter, False, [])
        """What was listed last, and of what."""
        self._completions: list[tuple[str, str]] = []
        self._completing: tuple[str, int] = ("", 0)
        self._scalars: frozenset[str] = frozenset()

    @property
    def table(self) -> RunTable:
        """The table."""
        return self.query_one(RunTable)

    def restore_list(self) -> None:
        """Filter, order, columns and groups as they were left; says what cannot be as it was."""
        table, remembered = self.table, self.workbench.remembered
        self._set_columns(remembered.texts("columns") or [USUAL])
        column = remembered.text("sort", "age")
        if column_named(column) is not None and column != "curve":
            table.sort_column, table.sort_reverse = column, remembered.flag("sort_reverse", False)
        else:
            self.workbench.tell(f'The runs cannot be sorted by "{column}", as remembered; by age instead.', "warning")
        self.grouped = remembered.flag("grouped", False)
        line = self.query_one("#filter", Input)
        line.value = remembered.text("filter", "")
        line.display = bool(line.value)
        if line.value:
            self.workbench.tell(f"The filter of last time is on: {line.value}. Esc takes it away.")

    def listed(self, snapshot: Snapshot) -> list[RunRow]:
        """The rows that are to be shown: filtered, then grouped; the same list where nothing can differ."""
        self._scalars = snapshot.scalars
        before, by, grouped, rows = self._listed
        timeless = not self.filter.tests  # a test may be of the time that has passed
        if not (timeless and before is snapshot and by is self.filter and grouped == self.grouped):
            passed = self.filter.of(snapshot.runs)
            rows = self._groups.of(passed) if self.grouped else passed
            self._listed = (snapshot, self.filter, self.grouped, rows)
        return rows

    def wanted_names(self) -> tuple[bool, frozenset[str]]:
        """Whether rows need the keys of their recipes, and of which scalars they need values."""
        table = self.table
        names = {*(column.name for column in table.chosen), table.sort_column, *names_in(self._typed())}
        recipes = self.grouped or any(is_recipe_key(name) for name in names)
        metrics = {metric.tag for name in names if (metric := metric_of(name)) is not None}
        return recipes, frozenset(metrics)

    def _typed(self) -> str:
        return self.query_one("#filter", Input).value

    # Order

    def action_order(self) -> None:
        """A column to sort by, from a list."""
        table = self.table

        def answered(name: str | None) -> None:
            if name:
                table.sort_by(name)
                self._remember_order()

        choices = [Choice(name, "now" if name == table.sort_column else "") for name in table.sortable()]
        self.app.push_screen(choose("Sort the runs by", choices), answered)

    def action_reverse(self) -> None:
        table = self.table
        table.sort_by(table.sort_column, not table.sort_reverse)
        self._remember_order()

    def _remember_order(self) -> None:
        self.workbench.remembered.set("sort", self.table.sort_column)
        self.workbench.remembered.set("sort_reverse", self.table.sort_reverse)
        self.workbench.show_snapshot()

    # Columns and groups

    def action_columns(self) -> None:
        """Which columns there are, from a list of fields, scalars and recipe keys."""
        table = self.table
        chosen = [USUAL] * table.usual + [column.name for column in table.chosen]
        scalars = sorted(self._scalars)
        choices = [
            Choice(USUAL, "the usual ones, as many as fit"),
            *(Choice(column.name, "one of the usual") for column in COLUMNS if column.name not in ("state", "name")),
            *(
                Choice(f"{which}:{tag}", f"the {which} value, with its step")
                for tag in scalars
                for which in ("best", "last")
            ),
            *(Choice(key, "a key of the recipe") for key in known_keys() if "." in key),
        ]
        question = "The columns: Enter takes one in or out, Esc closes"
        self.app.push_screen(ChooseSeveral(question, choices, chosen, _MOST_COLUMNS, self._choose_columns))

    def _choose_columns(self, names: Sequence[str]) -> None:
        self._set_columns(names)
        self.workbench.remembered.set("columns", list(names))
        self.table.forget_drawn()
        self.workbench.show_snapshot()

    def _set_columns(self, names: Sequence[str]) -> None:
        table, found = self.table, []
        for name in names:
            column = column_named(name)
            if column is not None:
                found.append(column)
            elif name != USUAL:
                self.workbench.tell(f'There is no column "{clean(name)}", as remembered; it is left out.', "warning")
        table.chosen, table.usual = tuple(found), USUAL in names or not found

    def action_group(self) -> None:
        """Runs that differ by their seed alone as one line, or each for itself."""
        self.grouped = not self.grouped
        self.workbench.remembered.set("grouped", self.grouped)
        said = "Runs that differ by their seed alone are one line: the mean, with the least and the greatest."
        self.workbench.tell(said if self.grouped else "Each run has a line of its own.")
        self.workbench.show_snapshot()

    # Filter

    def action_search(self) -> None:
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()
        self._complete_anew()

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        try:
            self.filter = parse_filter(event.value)
        except UserError as error:
            self.filter_problem = str(error)
        else:
            self.filter_problem = ""
        self.workbench.remembered.set("filter", event.value)
        if event.value != self._completing[0]:
            self._completing = ("", 0)
            self._complete_anew()
        self.workbench.show_snapshot()

    def _complete_anew(self) -> None:
        """What may be typed next; shown while the line has the focus."""
        line = self.query_one("#filter", Input)
        self._completions = (
            completions(line.value, self.workbench.snapshot.runs, self._scalars) if line.has_focus else []
        )
        self._show_completions()

    def _show_completions(self) -> None:
        shown = self.query_one("#completions", TextLine)
        shown.display = bool(self._completions) and self.query_one("#filter", Input).has_focus
        if not shown.display:
            return
        colours = self.app.theme_variables
        text = Text(" Tab: ", colours["secondary"])
        taken = self._completing[1] - 1 if self._completing[0] else -1
        first = max(0, min(taken, len(self._completions) - _SHOWN_COMPLETIONS))
        for place, (value, note) in enumerate(self._completions[first : first + _SHOWN_COMPLETIONS], first):
            word = value.rpartition(" ")[2] if '"' not in value else value
            text.append(clean(word), colours["accent" if place == taken else "foreground"])
            text.append(f" {note}  " if note.endswith(("run", "runs")) else "  ", colours["secondary"])
        more = len(self._completions) - first - _SHOWN_COMPLETIONS
        text.append(f"+{more}" if more > 0 else "", colours["secondary"])
        shown.show(text)

    def complete_filter(self) -> bool:
        """Takes the next completion into the line; False where there is none."""
        if not self._completions:
            return False
        number = self._completing[1] if self._completing[0] else 0
        value = self._completions[number % len(self._completions)][0]
        only = len(self._completions) == 1
        self._completing = ("", 0) if only else (value, number % len(self._completions) + 1)
        line = self.query_one("#filter", Input)
        line.value = value
        line.cursor_position = len(value)
        self._show_completions()
        return True

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.table.focus()
        line = self.query_one("#filter", Input)
        line.display = bool(line.value)
        self._completions = []
        self._show_completions()

    def end_filter(self) -> None:
        """Takes the filter away."""
        line = self.query_one("#filter", Input)
        line.value = ""
        line.display = False
        self._completions = []
        self._show_completions()
        self.table.focus()
