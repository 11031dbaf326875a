"""What all screens share: the frame, the snapshot, and the way to other screens."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.await_remove import AwaitRemove
from textual.binding import Binding, BindingsMap
from textual.screen import Screen
from textual.widget import Widget

from screens.coloured_app import ColourHint
from screens.navigation import SCREENS, Opening, ScreenDeclaration, make_screen
from screens.snapshot import Snapshot
from screens.watcher import Wanted
from screens.widgets.lines import KeyLine, TooSmall
from screens.widgets.picker import Choice
from screens.widgets.searching import Searchable, SearchLine
from vitbench.errors import UserError

if TYPE_CHECKING:
    from screens.app import Workbench


class WorkbenchScreen(Screen[None]):
    """A screen that shows snapshots. Subclasses compose with `body` and change only in `apply`."""

    SHOWS_PICTURES: ClassVar[bool] = False
    """Whether a line says how to get true colour, where the terminal shows less."""

    offers_packages = False
    """Whether it has the keys that open screens of packages."""

    @property
    def workbench(self) -> "Workbench":
        """The app, by its own type."""
        return cast("Workbench", self.app)

    def body(self) -> ComposeResult:
        """The widgets between the top of the screen and the line of keys."""
        raise NotImplementedError  # each screen has its own

    def compose(self) -> ComposeResult:
        yield from self.body()
        yield SearchLine()
        if self.SHOWS_PICTURES:
            yield ColourHint()
        yield KeyLine()
        yield TooSmall()

    def unsaved(self) -> str:
        """What was typed here and would be lost by leaving, as a phrase; empty where nothing was."""
        return ""

    def wanted(self) -> Wanted:
        """What the watcher should read for this screen."""
        return Wanted()

    def apply(self, snapshot: Snapshot) -> None:
        """Shows a snapshot. Called in one place, under `batch_update`."""

    def recolour(self, snapshot: Snapshot) -> None:
        """The theme is another one: words that hold their colour are made anew."""
        self.apply(snapshot)

    def on_screen_resume(self) -> None:
        self.workbench.show_snapshot()
        self.workbench.offer_packages(self)

    def remove(self) -> AwaitRemove:
        """Ends the screen's work before its widgets go: else work that goes on would look for those already gone."""
        self.workers.cancel_node(self)
        return super().remove()

    def ask(self, question: str, yes: str, then: Callable[[], object]) -> None:
        """Asks before something that cannot be undone."""
        from screens.dialogs import ConfirmDialog

        def answered(agreed: bool | None) -> None:
            if agreed:
                then()

        self.app.push_screen(ConfirmDialog(question, yes), answered)

    def open_screen(self, name: str, **subject: object) -> None:
        """Opens the screen of that name about `subject`: the one way from a screen to another."""
        try:
            self.app.push_screen(make_screen(name, **subject))
        except UserError as error:
            self.workbench.tell(str(error), "error")

    def action_open_declared(self, name: str) -> None:
        """Opens a package's screen, about what its declaration takes from this one."""
        declared = SCREENS[name]
        about = declared.opened.about(self) if declared.opened is not None else {}
        if about is None:
            self.workbench.tell(f"There is nothing here to open {declared.title} for.", "warning")
        else:
            self.open_screen(name, **about)

    def offer(self, found: "Sequence[tuple[ScreenDeclaration, Opening]]") -> None:
        """Takes the keys that open screens of packages from here."""
        keys = [
            Binding(opened.key, f"open_declared('{one.name}')", one.title, show=False, tooltip=one.help)
            for one, opened in found
        ]
        self._bindings = BindingsMap.merge([self._bindings, BindingsMap(keys)])
        self.refresh_bindings()

    def copied(self) -> list[Choice]:
        """What can be copied of what is selected, the likeliest first: the value, and what it is."""
        return []

    def action_copy(self) -> None:
        """Copies what is selected; where it is more than one thing, from a list."""
        from screens.ask_dialog import choose

        choices = self.copied()
        if not choices:
            self.workbench.tell("There is nothing here to copy.", "warning")
        elif len(choices) == 1:
            self._copied(choices[0].value)
        else:
            self.app.push_screen(choose("Copy", choices), self._copied)

    def _copied(self, text: str | None) -> None:
        if text:
            self.workbench.copy_to_clipboard(text)
            self.workbench.tell(f"Copied {text if len(text) <= 60 else f'{len(text):,} characters'}.")

    def action_search(self) -> None:
        """Searches what has the focus, else the first list, table or log that is to be seen."""
        around = list(self.focused.ancestors_with_self) if self.focused is not None else []
        seen = [widget for widget in self.query("*") if widget.size and _is_shown(widget)]
        target = next((widget for widget in [*around, *seen] if isinstance(widget, Searchable)), None)
        if target is None:
            self.workbench.tell("There is no list, table or log here to search.", "warning")
        else:
            self.query_one(SearchLine).open(target)

    def end_search(self) -> None:
        """Takes a search away: what was searched is not to be seen any more."""
        self.query_one(SearchLine).end()

    def action_back(self) -> None:
        """Back to the screen below."""
        if len(self.app.screen_stack) > 2:
            self.dismiss()


def _is_shown(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
