"""The app: opens the store, starts the watcher, and hands each snapshot to the screen that is visible."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import events, work
from textual.binding import Binding
from textual.command import CommandPalette, Provider
from textual.message import Message
from textual.screen import ModalScreen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme
from textual.widgets import Input

from screens.actions import bindings
from screens.base import WorkbenchScreen
from screens.coloured_app import ColouredApp
from screens.colours import SELECTION_IN_16
from screens.copying import clipboard_sequence
from screens.ending_notices import EndingNotices
from screens.endings import notice_sequence
from screens.escape_key import read_escape_by_itself
from screens.evaluating import Evaluator
from screens.inspector_start import LOOK_EVERY, InspectorStart, idle_minutes
from screens.key_order import KeyOrder
from screens.look import DEFAULT_THEME, THEMES, StableNumbers, glyphs, key_sign
from screens.navigation import SCREENS, Opening, ScreenDeclaration, make_screen, openings, without_key
from screens.palette import ActionCommands
from screens.paths import full_path, typed_path
from screens.remembered import Remembered
from screens.restoring import Restoring
from screens.snapshot import LIVE_STATES, Snapshot
from screens.themes import offered_themes, readable, remembered_theme
from screens.typed_work import leave_after_asking
from screens.watcher import Watcher
from screens.widgets.lines import LEAST_HEIGHT, LEAST_WIDTH, TooSmall
from screens.widgets.plain_scroll_bar import PlainScrollBar
from screens.widgets.run_table import RunTable
from vitbench.declarations import all_kinds, any_packages, left_out
from vitbench.errors import UserError
from vitbench.inspector.client import Inspector
from vitbench.paths import expanded, store_folder
from vitbench.runs.store import Store
from vitbench.terminal_colours import Depth
from vitbench.text import clean, counted

if TYPE_CHECKING:
    from screens.caption_view import CaptionSession  # with Pillow, which the first paint does without

_LEAVING = ("q", "ctrl+q")
_INTERRUPTED = 130
"""The exit code of what SIGINT has ended, as shells give it."""

Severity = Literal["information", "warning", "error"]


class SnapshotTaken(Message):
    """The watcher has looked. A newer one replaces an older one that nobody has seen."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotTaken)


class Workbench(ColouredApp[str]):
    """The workbench in the terminal. State changes in handlers; screens show it in `show_snapshot`."""

    TITLE = "vitbench"
    CSS_PATH = "app.tcss"
    BINDINGS = bindings("everywhere")
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionCommands}
    COMMAND_PALETTE_BINDING = "ctrl+p"
    # Textual declares these two for the instance, so they cannot be ClassVar.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny-width"), (LEAST_WIDTH, "-narrow"), (100, "-wide"), (150, "-huge")]  # noqa: RUF012 - see above
    VERTICAL_BREAKPOINTS = [(0, "-tiny-height"), (LEAST_HEIGHT, "-short"), (34, "-tall"), (50, "-towering")]  # noqa: RUF012 - see above

    def __init__(self, store: Path, run_id: str = "", logs: Sequence[Path] = ()) -> None:
        """`run_id` is the run to open at once, `logs` are folders of other tools' logs to read too."""
        super().__init__()
        self.first_run = run_id
        self.store = Store(store)
        self.store_folder = store
        self.remembered = Remembered(store)
        self.snapshot = Snapshot()
        self.colours = StableNumbers()
        logs_opened_before = map(Path, self.remembered.texts("logs"))
        self.watcher = Watcher(self.store, self._post_snapshot, logs=tuple(dict.fromkeys([*logs, *logs_opened_before])))
        self.inspector = Inspector(store)
        self.evaluator = Evaluator(self)
        self.caption_sessions: dict[str, CaptionSession] = {}
        """Where one was on the captions screen, by captioner: leaving it and coming back finds the same."""
        self.endings = EndingNotices(self)
        self._packages: dict[str, list[tuple[ScreenDeclaration, Opening]]] = {}
        """By the name of a screen: the screens of packages that a key there opens."""
        self._inspector_start: InspectorStart | None = None
        self._keys = KeyOrder(self, super().on_event)
        self.animation_level = "none"

    def _post_snapshot(self, snapshot: Snapshot) -> None:
        """Called in the watcher's thread; a message is the only thing that crosses over."""
        self.post_message(SnapshotTaken(snapshot))

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.look_for_colours()
        self.theme, problem = remembered_theme(self.remembered.text("theme", DEFAULT_THEME), self.available_themes)
        self.set_class(glyphs().ascii, "-ascii")
        ScrollBar.renderer = PlainScrollBar if glyphs().ascii else ScrollBarRender
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.push_screen(make_screen("runs"))
        if self.first_run:
            self.push_screen(make_screen("run", run_id=self.first_run))
        self._watch_store()
        self.call_after_refresh(self._look_for_packages)
        if not self.is_headless:
            minutes, complaint = idle_minutes()
            self._inspector_start = InspectorStart(self.inspector, minutes)
            self.set_interval(LOOK_EVERY, self._inspector_start.poll)
            if complaint:
                self.tell(complaint, "warning")
        self.remembered.tell = lambda sentence: self.tell(sentence, "warning")
        for sentence in filter(None, (*self.remembered.problems, problem)):
            self.tell(sentence, "warning")

    @work(thread=True, group="packages")
    def _look_for_packages(self) -> None:
        """What installed packages add, looked for once the first screen is painted; what is broken is said."""
        if not any_packages():
            return
        for declared in all_kinds():
            len(declared)
        found = {name: openings(name) for name in SCREENS}
        self.call_from_thread(self._found_packages, found)

    def _found_packages(self, found: "dict[str, list[tuple[ScreenDeclaration, Opening]]]") -> None:
        self._packages = found
        for screen in self.screen_stack:
            if isinstance(screen, WorkbenchScreen):
                self.offer_packages(screen)
        for sentence in (*left_out(), *without_key()):
            self.tell(sentence, "warning")

    def offer_packages(self, screen: WorkbenchScreen) -> None:
        """Gives a screen the keys that open screens of packages from it, once these are known."""
        name = next((one for one in self._packages if type(screen) is SCREENS[one].screen), "")
        if self._packages.get(name) and not screen.offers_packages:
            screen.offers_packages = True
            screen.offer(self._packages[name])

    def _theme_changed(self, theme: Theme) -> None:
        """Shows all words in the new colours, and remembers the theme once it has been painted."""
        for screen in self.screen_stack:
            if isinstance(screen, WorkbenchScreen) and screen.is_mounted:
                screen.recolour(self.snapshot)
        self.call_after_refresh(self.remembered.set, "theme", theme.name)

    def get_css_variables(self) -> dict[str, str]:
        """The theme's colours; those of other makers' themes made readable on every ground of these screens."""
        variables = super().get_css_variables()
        if self.theme not in {theme.name for theme in THEMES}:
            variables = readable(variables)
            if self.colour_depth is Depth.SIXTEEN:
                variables |= SELECTION_IN_16[self.current_theme.dark]
            self.theme_variables = variables
        return variables

    async def on_unmount(self) -> None:
        self.watcher.stop()
        await self.inspector.close()

    @work(thread=True, exclusive=True, group="watcher")
    def _watch_store(self) -> None:
        self.watcher.run()

    async def on_event(self, event: events.Event) -> None:
        """Keys and pasted text go through the order in which they were typed."""
        if self._inspector_start is not None and isinstance(event, events.InputEvent):
            self._inspector_start.touched()
        match event:
            case events.Key(key=key, is_forwarded=False) if self._is_too_small() and key not in _LEAVING:
                event.stop()  # nothing of what it would do could be seen
            case events.Key(is_forwarded=False) | events.Paste(is_forwarded=False):
                await self._keys.add(event)
            case _:
                await super().on_event(event)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A cursor that blinks would send its cell over the line twice a second while nobody does anything."""
        if isinstance(event.widget, Input):
            event.widget.cursor_blink = False

    def _is_too_small(self) -> bool:
        """Whether a sentence is shown in place of the screen."""
        return self.size.width < LEAST_WIDTH or self.size.height < LEAST_HEIGHT

    def push_screen(self, *arguments: Any, **keywords: Any) -> Any:
        """As Textual's; a dialog, too, says when the terminal is too small for it."""
        answer = super().push_screen(*arguments, **keywords)
        if isinstance(top := self.screen, ModalScreen):
            top.call_later(top.mount, TooSmall())
        return answer

    def on_snapshot_taken(self, message: SnapshotTaken) -> None:
        if self.snapshot.left and not message.snapshot.left:
            gc.freeze()  # thousands of rows that stay: Python's search for garbage among them takes a tenth of a second
        self.snapshot = message.snapshot
        self.endings.poll(self.snapshot)
        self.show_snapshot()

    def show_snapshot(self) -> None:
        """The one place where a snapshot reaches widgets."""
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, WorkbenchScreen)), None)
        if screen is None or not screen.is_mounted or not self.is_running:  # a snapshot may come while the app closes
            return
        with self.batch_update():
            screen.apply(self.snapshot)
        self.watcher.want(screen.wanted())

    def ring(self, words: str) -> None:
        """The terminal's bell, and its notice."""
        if self._driver is not None:
            self._driver.write(notice_sequence(words))

    def tell(self, sentence: str, severity: Severity = "information") -> None:
        """A notice in the corner; one of what is set now takes the place of the one before it, and no warning's."""
        subject, colon, _ = clean(sentence).partition(": ")
        if colon and severity == "information":
            for shown in list(self._notifications):
                if shown.severity == severity and shown.message.startswith(subject + colon):
                    self._unnotify(shown, refresh=False)
        self.notify(clean(sentence), severity=severity, markup=False, timeout=6)

    @work(thread=True, group="controls")
    def control_run(self, verb: str, run_id: str, title: str) -> None:
        """`pause`, `resume`, `stop` or `kill`, and says what became of the run that is called `title`.

        A kill waits for processes to end, so never in the app's own thread.
        """
        from vitbench.runs import control

        try:
            outcome = getattr(control, verb)(self.store.find(run_id))
        except (UserError, OSError) as error:
            self.call_from_thread(self.tell, str(error), "error")
            return
        self.call_from_thread(self.tell, f'"{title}" {outcome}.')
        self.watcher.wake()

    def select_run(self, run_id: str) -> None:
        """Puts the cursor of the table on a run, as soon as the run is in it."""
        for screen in self.screen_stack:
            for table in screen.query(RunTable):
                table.awaited_id = run_id

    def resume_run(self, run_id: str) -> None:
        """Goes on with a run from its last checkpoint."""
        run = self.snapshot.run(run_id)
        self.control_run("resume", run_id, run.title if run else run_id)

    @work(exclusive=True, group="evaluation")
    async def evaluate_run(self, run_id: str, data: str) -> None:
        """Evaluates a run aside, on its own pictures or on those in the folder `data`."""
        await self.evaluator.evaluate(run_id, full_path(data) if data else "")

    @work(exclusive=True, group="evaluation")
    async def report_run(self, run_id: str, request: dict[str, Any], folder: str) -> None:
        """Writes the report of a run, with the values of a `ReportRequest`, into a folder, aside."""
        await self.evaluator.report(run_id, request, folder)

    @work(exclusive=True, group="evaluation")
    async def export_network(self, run_id: str, form: str, folder: str) -> None:
        """Writes the network of a run into a folder that other libraries load, aside."""
        await self.evaluator.export(run_id, form, str(typed_path(folder).absolute()))

    def cancel_evaluation(self) -> None:
        """Ends the evaluation, report or export that goes on; nothing of it stays."""
        self.workers.cancel_group(self, "evaluation")

    def colour_setting(self) -> str:
        """What the palette's `Colours: ...` has chosen."""
        return self.remembered.text("colours", "auto")

    def choose_colours(self, choice: str) -> None:
        """The palette's choice: remembered, shown at once, and said."""
        self.remembered.set("colours", choice)
        super().choose_colours(choice)
        self.tell(f"Colours: {self.terminal_colours.depth.words} ({self.terminal_colours.source}).")

    def copy_to_clipboard(self, text: str) -> None:
        """Puts text on the clipboard of the person's own terminal, also through SSH and tmux."""
        self._clipboard = text
        if self._driver is not None:
            self._driver.write(clipboard_sequence(text))

    def get_key_display(self, binding: Binding) -> str:
        """A key as the footer, the help and the palette show it."""
        return key_sign(super().get_key_display(binding))

    # Actions of the whole app

    def action_command_palette(self) -> None:
        """Every action by a part of its name."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="A part of an action's name", id="--command-palette"))

    def action_help(self) -> None:
        """The keys of what has the focus."""
        from screens.help_dialog import HelpDialog

        if not isinstance(self.screen, HelpDialog):
            self.push_screen(HelpDialog(self.screen))

    def action_jump(self) -> None:
        """A letter on each panel."""
        from screens.jump import JumpOverlay

        if isinstance(self.screen, WorkbenchScreen):
            self.push_screen(JumpOverlay(self.screen), self._jumped)

    def _jumped(self, widget_id: str | None) -> None:
        if widget_id:
            self.screen.query_one(f"#{widget_id}").focus()

    def action_next_theme(self) -> None:
        """The next of all themes; ours come first."""
        names = offered_themes(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.tell(f"Theme: {self.theme}")

    def action_leave(self) -> None:
        """Leaves, and says which runs go on; asks first where something typed would be lost."""
        leave_after_asking(self, self.screen_stack, "Leave", self._leave, " Runs go on.")

    def _leave(self) -> None:
        going = [run.title for run in self.snapshot.runs if run.state in LIVE_STATES]
        self.watcher.stop()
        if not going:
            self.exit("")
        else:
            names = ", ".join(going[:3]) + (f" and {len(going) - 3} more" if len(going) > 3 else "")
            verb = "goes" if len(going) == 1 else "go"
            self.exit(f"{counted(len(going), 'run')} {verb} on: {names}. `vitbench` shows them again.")

    async def action_quit(self) -> None:
        """Ctrl+Q and the palette's Quit."""
        self.action_leave()


def open_app(arguments: Sequence[str], logs: bool = False) -> int:
    """Opens the app and returns its exit code: 2 where there is no terminal, or no store can be.

    With `logs`, the arguments that are no options are folders of other tools' logs.
    """
    parser = argparse.ArgumentParser(prog="vitbench", description="Opens the workbench.")
    parser.add_argument("--store", metavar="DIR", help="where runs are kept (else VITBENCH_HOME)")
    parser.add_argument("--run", metavar="RUN", help="open this run at once: an id, a name, or `last`")
    if logs:
        parser.add_argument("logs", metavar="LOGDIR", nargs="+", help="folders of TensorBoard logs to read too")
    chosen = parser.parse_args(arguments)
    try:
        store = store_folder(chosen.store)
        run_id = Store(store).find(chosen.run).id if chosen.run else ""
    except UserError as error:
        print(f"vitbench: {clean(str(error))}", file=sys.stderr)
        return 2
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("vitbench: the app needs a terminal; `vitbench --help` lists the commands that do not.", file=sys.stderr)
        return 2
    # Also where hang-ups were ignored (nohup): it would read its lost terminal for ever.
    Restoring()
    read_escape_by_itself()
    # Python would believe these before the terminal itself, and never see that its window changes.
    for variable in ("COLUMNS", "LINES"):
        os.environ.pop(variable, None)
    # A key waits for the thread that reads the store no longer than this; Python's own 5 ms add up over several turns.
    sys.setswitchinterval(0.001)
    app = Workbench(store, run_id, [expanded(path).absolute() for path in chosen.logs] if logs else ())
    try:
        farewell = app.run()
    except KeyboardInterrupt:  # SIGINT from elsewhere (kill -INT): the terminal is restored by now
        return _INTERRUPTED
    if farewell:
        print(clean(farewell))
    return app.return_code or 0
