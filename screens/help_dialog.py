"""Help for what has the focus: every key that works there, from the registry of actions."""

from dataclasses import replace
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

_OWN_HELP = {
    "RunTable": "The runs. Arrows, page keys, Home and End move; click a heading to sort by it.",
    "Chart": "A chart. Arrows show a cursor that reads every curve; + and - zoom, < and > move along.",
    "ConfusionMatrix": "Confusions in per cent of the row. Arrows move; the line above says what the cell is.",
    "CompareTable": "The runs and their values under the chart's cursor. Arrows, page keys, Home and End scroll.",
    "FieldList": "The keys of the recipe. Arrows move; Enter changes one and checks it while you type.",
    "FilterLine": "Words, key:value, accuracy>0.9 age<2h; - before a word is not. Arrows go to the table.",
    "LogView": "The log. Arrows and page keys scroll; at the end it follows. / searches it.",
    "RecipeView": "The recipe as it was frozen. Arrows and page keys scroll; / searches it.",
    "SearchInput": "The search. Up and down go from match to match, Enter keeps it, Esc takes it away.",
    "_Typed": "A line to type in, over a list of what it may be. Down goes through the list, Enter takes an entry, Tab"
    " completes and goes on to the next field; any text may also stand as it is. ^u empties the line.",
    "Input": "A line to type in. Enter accepts, Tab goes on, ^u empties it.",
}


class HelpDialog(ModalScreen[None]):
    """Keys of the focused widget first, then of its screen, then of the app."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q,enter", "close", "close")]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide help"), VerticalScroll():
            yield Static(self._words())

    def _words(self) -> Text:
        colours = self.app.theme_variables
        text = Text()
        groups = self._groups()
        keys = 1 + max((len(self.app.get_key_display(key)) for _, found in groups for key in found), default=0)
        names = 2 + max((len(key.description) for _, found in groups for key in found), default=0)
        room = min(96, self.app.size.width * 96 // 100) - 4 - (keys + 2 + names) - 2
        focused = self._about.focused
        if focused is not None:
            said = next((_OWN_HELP[kind.__name__] for kind in type(focused).__mro__ if kind.__name__ in _OWN_HELP), "")
            text.append(said or (focused.tooltip if isinstance(focused.tooltip, str) else ""))
            text.append("\n\n" if text else "")
        for title, bindings in groups:
            text.append(f"{title}\n", Style(bold=True, color=colours["accent"]))
            for binding in bindings:
                sign = self.app.get_key_display(binding)
                words = Text(binding.tooltip).wrap(self.app.console, max(20, room))
                for index, part in enumerate(words):
                    first = index == 0
                    text.append(f"{sign if first else '':>{keys}}  ", Style(color=colours["primary"]))
                    text.append(f"{binding.description if first else '':<{names}}", Style(color=colours["foreground"]))
                    text.append(f"{part}\n", Style(color=colours["secondary"]))
            text.append("\n")
        text.append("tab goes to the next panel, esc closes this help", Style(color=colours["secondary"]))
        return text

    def _groups(self) -> list[tuple[str, list[Binding]]]:
        """Bindings by who owns them, each action once, the focus first."""
        owners: dict[int, tuple[str, dict[str, Binding]]] = {}
        keys = self._about.active_bindings
        for node, binding, enabled, _ in keys.values():
            if not binding.tooltip or not enabled:
                continue
            if binding.key == "ctrl+q" and "q" in keys:
                continue  # the same, for where q is a letter that is typed
            title = (
                "Everywhere" if node is self.app else ("This screen" if node is self._about else "What has the focus")
            )
            owners.setdefault(id(node), (title, {}))[1].setdefault(binding.action, binding)
        order = {"What has the focus": 0, "This screen": 1, "Everywhere": 2}
        groups = [(title, _without_repeats(list(found.values()))) for title, found in owners.values()]
        return sorted(groups, key=lambda group: order[group[0]])

    def action_close(self) -> None:
        self.dismiss()


def _without_repeats(found: list[Binding]) -> list[Binding]:
    """One row for keys that do the same with another number, such as the digits that choose a head."""
    rows: list[Binding] = []
    for binding in found:
        before = rows[-1] if rows else None
        if before is not None and before.tooltip == binding.tooltip and binding.key.isdigit():
            first = (before.key_display or before.key).partition("-")[0]
            name = binding.description.rstrip("0123456789").strip()
            rows[-1] = replace(before, key_display=f"{first}-{binding.key}", description=name)
        else:
            rows.append(binding)
    return rows
