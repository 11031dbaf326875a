"""Esc goes back one step, and asks before it would lose what a person has typed."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from screens import wording

Answer = TypeVar("Answer")


class FormDialog(ModalScreen[Answer | None]):
    """A dialog with lines to type in. Esc leaves it, after a question where something has been typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def on_mount(self) -> None:
        self._at_first = {line: line.value for line in self.query(Input)}

    def unsaved(self) -> str:
        """What was typed and would be lost, as a phrase; empty where nothing was."""
        typed = [
            f'"{wording.fit(line.value.strip(), 60).strip()}"'
            for line in self.query(Input)
            if line.value.strip() and line.value != self._at_first.get(line, "")
        ]
        return ", ".join(typed)

    def action_cancel(self) -> None:
        """Leaves without an answer."""
        leave_after_asking(self.app, [self], "Go back", lambda: self.dismiss(None))


def unsaved_in(screens: Iterable[Screen[object]]) -> list[str]:
    """What was typed on these screens and is not used yet, a phrase for each."""
    words = [screen.unsaved() for screen in screens if hasattr(screen, "unsaved")]
    return [word for word in words if word]


def leave_after_asking(
    app: App[Any], screens: Iterable[Screen[Any]], verb: str, leave: Callable[[], object], besides: str = ""
) -> None:
    """Calls `leave`, after a question if something was typed on one of the screens. `verb` begins the question."""
    lost = unsaved_in(screens)
    if lost:
        ask_before_losing(app, f"{verb}?{besides} This is lost: {', '.join(lost)}.", verb, leave)
    else:
        leave()


def ask_before_losing(app: App[object], question: str, verb: str, leave: Callable[[], object]) -> None:
    """The question itself; no is the default."""
    from screens.dialogs import ConfirmDialog

    def answered(agreed: bool | None) -> None:
        if agreed:
            leave()

    app.push_screen(ConfirmDialog(question, verb), answered)
