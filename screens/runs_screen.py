"""The table of all runs, live, with a filter, marks for comparison, and the details of the selected one beside it."""

from collections.abc import Sequence

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal

from screens import wording
from screens.actions import CAPTIONS, COPY, INSIDE, LEAVING, RUN_CONTROLS, Action, bindings
from screens.copying import copies_of_run
from screens.look import glyphs
from screens.navigation import ScreenDeclaration
from screens.run_list import FilterLine, RunList
from screens.snapshot import LIVE_STATES, RunRow, Snapshot
from screens.watcher import Wanted
from screens.widgets.lines import TextLine
from screens.widgets.note import Note
from screens.widgets.picker import Choice
from screens.widgets.run_details import RunDetails
from screens.widgets.run_table import RunTable
from screens.widgets.welcome import STEPS, Welcome
from vitbench.doctor import examine
from vitbench.errors import UserError
from vitbench.text import clean, counted

_BESIDE_FROM = 120
"""Columns from which the details stand beside the table; else they are a few rows below it."""
_BELOW_FROM = 20
"""Rows from which there is room for details below the table."""
DEMO_DATA = "scenes:new?count=5180&size=96&seed=0"
"""The pictures of the demo."""


ACTIONS = (
    Action("enter", "open_run", "open", "Watch the selected run.", True),
    Action("n", "new_run", "new run", "Start a run from a preset and a folder of pictures.", True),
    *(
        Action(str(number), f"first_step({number})", title, f"In a store without runs: {said}.")
        for number, (title, said) in enumerate(
            zip(("demo", "own pictures", "look inside", "this machine"), (step[1] for step in STEPS), strict=True), 1
        )
    ),
    Action("slash", "search", "filter", "Show only some runs: words, key:value, accuracy>0.9.", True, shown="/"),
    Action("c", "compare", "compare", "The curves of the marked runs side by side.", True),
    *RUN_CONTROLS,
    Action("C", "clone", "clone", "A new run with the same recipe; asks what is to be changed.", shown="C"),
    Action("H", "hold", "hold", "Keep a waiting run from starting, or let it start.", shown="H"),
    Action("T", "tags", "tags", "The run's tags, which the filter finds.", shown="T"),
    Action("J", "watch_logs", "logs", "TensorBoard logs of another tool in this list, only read.", shown="J"),
    Action("M", "machine", "machine", "GPUs and who holds them, processors, memory, disk, the queue.", shown="M"),
    Action("S", "sweep", "sweep", "The newest sweep: its leaderboard, and what each key contributed.", shown="S"),
    Action(
        "ctrl+n",
        "new_sweep",
        "new sweep",
        "Many runs from one plan: lists and ranges over a recipe's keys.",
        shown="^n",
    ),
    Action("space", "mark", "mark", "Mark the run for comparison.", True, shown="space"),
    Action("asterisk", "mark_all", "mark all", "Mark all runs that are shown, or none of them.", shown="*"),
    *INSIDE,
    *CAPTIONS,
    *LEAVING,
    Action("e", "export", "export", "The run's network as a folder that timm, transformers, ... load."),
    Action("o", "order", "order", "Sort by a column, from a list.", True),
    Action("escape", "back", "all runs", "Take the filter away and show all runs.", shown="esc"),
    Action("O", "reverse", "reverse", "Turn the order round.", shown="O"),
    Action("t", "columns", "columns", "Which columns there are: fields, scalars, recipe keys; remembered."),
    Action("U", "group", "unite seeds", "Runs that differ by their seed alone as one line with a band.", shown="U"),
    Action("d", "details", "details", "Show or hide the details of the selected run.", True),
    Action("D,delete", "remove", "delete", "Delete the run's folder, after a question.", shown="D"),
    COPY,
)
"""What its keys do."""
OF_RUNS = frozenset(
    {
        *("open_run", "search", "compare", "clone", "hold", "tags", "mark", "mark_all", "attention", "positions"),
        *("features", "captions", "report", "export", "order", "reverse", "columns", "group", "details", "remove"),
        "copy",
    }
)
"""What needs a run, or a table of them."""
OF_ONE_RUN = frozenset(
    {
        *("pause_or_resume", "stop", "kill", "evaluate", "clone", "hold", "tags", "report", "figures", "export"),
        *("remove", "attention", "positions", "features", "captions"),
    }
)
"""Actions for a run of the store alone: neither for another tool's log nor for a group of seeds."""


class RunsScreen(RunList):
    """What one sees first."""

    BINDINGS = bindings(ACTIONS)
    AUTO_FOCUS = "#table"  # not the first that could, the filter: a key typed early would land in it, unseen

    def __init__(self) -> None:
        super().__init__()
        self._details_wanted = True

    def body(self) -> ComposeResult:
        yield TextLine(id="title")
        yield FilterLine(
            moves=lambda key: self.query_one(RunTable).move(key),
            placeholder="words, state:running, accuracy>0.9, age<2h, -word",
            id="filter",
            compact=True,
        )
        yield TextLine(id="completions")
        yield Welcome()
        with Horizontal(id="panels"):
            yield RunTable(id="table")
            yield RunDetails(id="details")
        yield Note(id="ended", least=1)
        yield Note(id="evaluating", least=1)

    def on_mount(self) -> None:
        table, remembered = self.query_one(RunTable), self.workbench.remembered
        self.query_one("#completions").display = False
        self.restore_list()
        table.marked = set(remembered.texts("marked"))
        for run_id in table.marked:
            table.colours[run_id] = self.workbench.colours.number(run_id)
        self._details_wanted = remembered.flag("details", True)

    def on_resize(self) -> None:
        self.workbench.show_snapshot()

    def wanted(self) -> Wanted:
        table = self.query_one(RunTable)
        current = table.current if self.query_one(RunDetails).display else None
        followed = frozenset(one.id for one in (current.members or (current,))) if current is not None else frozenset()
        seen = tuple(one.id for run in table.visible_runs() for one in (run.members or (run,)))
        return Wanted(followed, seen, *self.wanted_names())

    def apply(self, snapshot: Snapshot) -> None:
        table, details = self.query_one(RunTable), self.query_one(RunDetails)
        shown = self.listed(snapshot)
        table.empty_text = snapshot.problem or "No run passes the filter; esc takes it away."
        table.show(shown, reading=snapshot.left > 0)
        below = self.app.size.width < _BESIDE_FROM
        self._show_welcome(not snapshot.runs and not snapshot.problem)
        self.query_one("#panels").set_class(below, "-below")
        details.display = self._details_wanted and (not below or self.app.size.height >= _BELOW_FROM)
        if details.display:
            details.brief = below
            # Once the rows are on the screen: a key that comes meanwhile waits for half as much.
            self.call_after_refresh(self._show_details)
        self._show_title(snapshot, sum(len(run.members) or 1 for run in shown) if self.grouped else len(shown))
        self._show_ended()
        self.show_run_controls()

    def _show_details(self) -> None:
        """The run under the cursor, as the newest snapshot has it."""
        current, followed = self.query_one(RunTable).current, self.workbench.snapshot.followed
        ids = [one.id for one in (current.members or (current,))] if current else []
        self.query_one(RunDetails).show(current, [followed[run_id] for run_id in ids if run_id in followed])

    def _show_ended(self) -> None:
        """What has ended while nobody looked."""
        note, words = self.query_one("#ended", Note), self.workbench.endings.words
        note.display = bool(words)
        if words:
            note.show(Text(f"Since you were here: {clean(words)}", self.app.theme_variables["accent"]))

    def _forget_ended(self) -> None:
        self.workbench.endings.words = ""
        self._show_ended()

    def _show_welcome(self, empty: bool) -> None:
        """What one can do, in place of a table without runs."""
        welcome = self.query_one(Welcome)
        if welcome.display != empty:
            welcome.display = empty
            self.refresh_bindings()
        if empty:
            welcome.show()
        self.query_one("#panels").set_class(empty, "-empty-store")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The numbered first steps are for an empty store, and what is done with runs for one that has some."""
        empty = self.is_mounted and bool(self.query_one(Welcome).display)
        if action == "first_step":
            return empty
        if empty and action in OF_RUNS:
            return False
        if action in OF_ONE_RUN and self.is_mounted and (run := self.current_run()) is not None and not run.is_own:
            return False  # another tool's log, or a group: it is only read
        return super().check_action(action, parameters)

    def action_first_step(self, number: int) -> None:
        """One of the steps that an empty store offers."""
        match number:
            case 1:
                self.open_screen("new_run", preset="demo", data=DEMO_DATA)
            case 2:
                self.action_new_run()
            case 3:
                self.action_demo_attention()
            case _:
                self.query_one(Welcome).show_machine(None)
                self._poll_machine()

    @work(thread=True, exclusive=True, group="machine")
    def _poll_machine(self) -> None:
        findings = examine(self.workbench.store_folder, self.workbench.colour_setting())
        self.app.call_from_thread(self.query_one(Welcome).show_machine, findings)

    def _show_title(self, snapshot: Snapshot, shown: int) -> None:
        colours = self.app.theme_variables
        if self.filter_problem:
            problem = Text(f" {glyphs().nan} {clean(self.filter_problem)}", colours["error"])
            self.query_one("#title", TextLine).show(problem)
            return
        text = Text.assemble((" vitbench ", f"bold {colours['accent']}"))
        text.append(f" {counted(len(snapshot.runs) - snapshot.logs, 'run')}", colours["foreground"])
        if snapshot.logs:
            text.append(f", {counted(snapshot.logs, 'log')}", colours["foreground"])
        if snapshot.left:
            text.append(f", {snapshot.left:,} more are being read", colours["secondary"])
        elif snapshot.reading:
            text.append(f", {snapshot.reading} are being read", colours["secondary"])
        if snapshot.running:
            text.append(f", {snapshot.running} running", colours["primary"])
        if shown != len(snapshot.runs):
            text.append(f", {shown:,} shown (esc: all)", colours["warning"])
        if self.grouped:
            text.append(", seeds grouped", colours["accent"])
        if marked := self.query_one(RunTable).marked:
            text.append(f", {len(marked)} marked", colours["accent"])
        table = self.query_one(RunTable)
        if self.query_one(Welcome).display:
            store = wording.fit_start(str(self.workbench.store_folder), self.app.size.width - text.cell_len - 3)
            self.query_one("#title", TextLine).show(text, Text(f"{store.strip()} ", colours["secondary"]))
            return
        order = f"by {table.sort_column} {glyphs().falling if table.sort_reverse else glyphs().rising}"
        room = self.app.size.width - text.cell_len - len(order) - 6
        store = wording.fit_start(str(self.workbench.store_folder), min(60, room)).strip() if room > 8 else ""
        self.query_one("#title", TextLine).show(text, Text(f"{order}   {store} ", colours["secondary"]))

    def current_run(self) -> RunRow | None:
        return self.query_one(RunTable).current

    def copied(self) -> list[Choice]:
        run = self.current_run()
        return copies_of_run(run, self.workbench.store.runs_folder) if run is not None else []

    # The selected run

    @on(RunTable.Selected)
    def _selected(self) -> None:
        self.show_run_controls()
        self.set_timer(0.15, self.workbench.show_snapshot)

    @on(RunTable.Chosen)
    def action_open_run(self) -> None:
        self._forget_ended()
        run = self.current_run()
        if run is None:
            return
        if run.is_own:
            self.open_screen("run", run_id=run.id)
        else:
            self.open_screen("compare", run_ids=tuple(one.id for one in run.members) or (run.id,))

    def action_new_run(self) -> None:
        self.open_screen("new_run")

    def action_new_sweep(self) -> None:
        self.open_screen("new_sweep")

    def action_mark_all(self) -> None:
        """Marks all rows that pass the filter; where all are marked, none."""
        self._mark(self.query_one(RunTable).rows)
        self.query_one(RunTable).redraw()
        self.workbench.show_snapshot()

    def _mark(self, rows: Sequence[RunRow]) -> None:
        """Marks runs and the members of groups; where all of them are marked, none."""
        table = self.query_one(RunTable)
        ids = dict.fromkeys(one.id for run in rows for one in (run.members or (run,)))
        table.marked = table.marked - set(ids) if ids.keys() <= table.marked else table.marked | set(ids)
        self.workbench.remembered.set("marked", sorted(table.marked))
        for run_id in (*ids, *(run.id for run in rows if run.members)):
            table.colours[run_id] = self.workbench.colours.number(run_id)

    def action_mark(self) -> None:
        """Marks or unmarks, and goes to the next row."""
        table = self.query_one(RunTable)
        run = table.current
        if run is None:
            return
        self._mark([run])
        if table.cursor_row < len(table.rows) - 1:
            table.move_to(table.cursor_row + 1)
        else:
            table.redraw()
        self.workbench.show_snapshot()

    def action_export(self) -> None:
        """The network of the selected run, for other libraries."""
        self.action_export_network()

    def action_compare(self) -> None:
        table = self.query_one(RunTable)
        known = {run.id for run in self.workbench.snapshot.runs}
        chosen = [run_id for run_id in sorted(table.marked) if run_id in known]
        if not chosen and table.current is not None:
            chosen = [one.id for one in (table.current.members or (table.current,))]
        if chosen:
            self.open_screen("compare", run_ids=tuple(chosen))

    def action_details(self) -> None:
        self._details_wanted = not self._details_wanted
        self.workbench.remembered.set("details", self._details_wanted)
        self.workbench.show_snapshot()

    def action_remove(self) -> None:
        run = self.current_run()
        if run is None:
            return
        if run.state in LIVE_STATES and run.state != "paused":
            self.workbench.tell(f'"{run.title}" is {run.state}; stop it before deleting it.', "warning")
            return
        question = f'Delete "{run.title}"? Its checkpoints, curves, log and figures are lost for good.'
        self.ask(question, "Delete", lambda: self._remove(run))

    def _remove(self, run: RunRow) -> None:
        try:
            store = self.workbench.store
            store.remove(store.find(run.id))
        except (UserError, OSError) as error:
            self.workbench.tell(str(error), "error")
            return
        self.workbench.watcher.wake()

    def action_back(self) -> None:
        """Escape anywhere takes the filter away, and the line of what has ended."""
        self._forget_ended()
        self.end_filter()


SCREEN = ScreenDeclaration(
    name="runs",
    title="Runs",
    help="All runs of the store, and what becomes of them.",
    screen=RunsScreen,
    actions=ACTIONS,
    order=10,
)
