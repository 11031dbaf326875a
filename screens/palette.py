"""The command palette: every action of every screen, found by a part of its title or of its help; it goes there."""

from collections.abc import Callable, Iterator
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from screens.actions import actions
from screens.coloured_app import ColouredApp
from screens.key_language import TITLES, sign
from screens.navigation import SCREENS, openings
from screens.snapshot import RunRow
from screens.themes import offered_themes
from screens.typed_work import leave_after_asking
from screens.widgets.run_table import RunTable
from vitbench.terminal_colours import CHOICES

_NEEDS_RUN = "There is no run yet: n starts one."
_LEAST = 0.01
"""The score of what has the typed words, but not in their order."""
_Found = tuple[float, str, str, Callable[[], object]]
"""Weight, title, help, and what choosing it does."""
_BETWEEN, _PATIENCE = 0.05, 60
"""Seconds between two looks whether a screen is open, and how many looks."""


class ActionCommands(Provider):
    """The actions of the focus, its screen and the app; those of all other screens; every theme."""

    def _commands(self) -> Iterator[tuple[str, str, str]]:
        """Title, help and key of each action, once."""
        seen: set[str] = set()
        for _, binding, enabled, tooltip in self.screen.active_bindings.values():
            if enabled and binding.tooltip and binding.action not in seen and binding.action != "command_palette":
                seen.add(binding.action)
                key = self.app.get_key_display(binding)
                yield f"{binding.description.capitalize()}  ({key})", tooltip, binding.key

    async def discover(self) -> Hits:
        """What is shown before anything is typed."""
        for title, help_text, key in self._commands():
            yield DiscoveryHit(Content(title), self._press(key), text=title, help=help_text)

    async def search(self, query: str) -> Hits:
        """What fits the query."""
        matcher, words = self.matcher(query), query.lower().split()
        found: list[_Found] = [(1.0, title, said, self._press(key)) for title, said, key in self._commands()]
        here = {title for _, title, *_ in found}
        found += [(0.8, title, said, press) for title, said, press in self._elsewhere() if title not in here]
        # Letters that lie scattered over a title or a help text are a guess, for when no words are what was typed.
        spelt = [one for one in found if all(word in f"{one[1]} {one[2]}".lower() for word in words)]
        for weight, title, said, press in spelt or found:
            score = weight * max(matcher.match(title), 0.6 * matcher.match(said), _LEAST if spelt else 0.0)
            if score > 0:
                yield Hit(score, matcher.highlight(title), press, text=title, help=said)
        for name in offered_themes(self.app.available_themes):
            title = f"Theme: {name}"
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), lambda name=name: self._choose_theme(name), text=title)

        for name in CHOICES if isinstance(self.app, ColouredApp) else ():
            title = f"Colours: {name}"
            help_text = "How many colours the terminal shows; auto finds out."
            if (score := matcher.match(title)) > 0:
                yield Hit(
                    score, matcher.highlight(title), lambda name=name: self._choose_colours(name), title, help_text
                )

    def _elsewhere(self) -> "Iterator[tuple[str, str, Callable[[], object]]]":
        """Title, help and what to press, of each action of another screen that can be reached from the runs now."""
        run = self._run()
        granted = {declared.name for declared, _ in openings("runs")} | {declared.name for declared in SCREENS.own()}
        for name, declared in SCREENS.items():
            if name not in granted:
                continue  # its key means something else on the table of runs, or it is opened from elsewhere
            opened = declared.opened
            needs_run = name in ("run", "compare") and run is None
            opening = opened.key if opened is not None else ""
            if opened is not None and opened.alone and (run is None or (run.task == "caption") != (name == "captions")):
                opening = opened.alone
            parts = [("", declared.title, declared.actions)]
            parts += [(part.key, TITLES[part.name], actions(part.name)) for part in declared.within]
            for within, title, own in parts:
                if not within and type(self.screen) is declared.screen:
                    continue  # they are listed as actions of what is seen
                for action in own:
                    key = action.keys.split(",")[0]
                    if action.name not in ("back", "cursor_off"):
                        keys = [part for part in (within, key) if part]
                        press = _Press(self, *keys, home=True, opening=opening, screen=declared.screen)
                        yield (
                            f"{title}: {action.title}  ({sign(key)})",
                            f"{_NEEDS_RUN} {action.help}" if needs_run else action.help,
                            self._without_run if needs_run else press,
                        )

    def _without_run(self) -> None:
        self.app.notify(_NEEDS_RUN, severity="warning", markup=False)

    def _run(self) -> RunRow | None:
        """The run that the table's cursor is on."""
        table = next((table for screen in self.app.screen_stack for table in screen.query(RunTable)), None)
        return table.current if table is not None else None

    def _choose_colours(self, name: str) -> None:
        if isinstance(self.app, ColouredApp):
            self.app.call_after_refresh(self.app.choose_colours, name)  # once the palette has closed

    def _press(self, key: str) -> "_Press":
        return _Press(self, key)

    def _choose_theme(self, name: str) -> None:
        self.app.theme = name


class _Press:
    """Does what the keys do, once the palette has closed; with `home`, from the table of runs.

    With `opening`, that key is pressed first, and the others once `screen` is open: on another screen they may mean
    anything, to delete a run among it.
    """

    def __init__(
        self,
        provider: ActionCommands,
        *keys: str,
        home: bool = False,
        opening: str = "",
        screen: type[Screen[Any]] | None = None,
    ) -> None:
        self._provider, self._keys, self._home = provider, keys, home
        self._opening, self._screen = opening, screen

    def __call__(self) -> None:
        self._provider.app.call_after_refresh(self._press)

    def _press(self) -> None:
        app = self._provider.app
        if self._home:
            leave_after_asking(app, app.screen_stack[2:], "Go there", self._go)
        else:
            self._go()

    def _go(self) -> None:
        app = self._provider.app
        while self._home and len(app.screen_stack) > 2:
            app.pop_screen()
        if self._opening:
            app.simulate_key(self._opening)
            self._await(_PATIENCE)
        else:
            self._press_keys()

    def _await(self, left: int) -> None:
        app = self._provider.app
        if type(app.screen) is self._screen:
            self._press_keys()
        elif left:
            app.set_timer(_BETWEEN, lambda: self._await(left - 1))
        else:
            app.notify("That screen cannot be opened now.", severity="warning", markup=False)

    def _press_keys(self) -> None:
        for key in self._keys:
            self._provider.app.simulate_key(key)
