"""The command palette: every action that can be done now, found by a part of its title or of its help."""

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from screens.coloured_app import ColouredApp
from screens.themes import offered_themes
from vitbench.terminal_colours import CHOICES


class ActionCommands(Provider):
    """The actions of the focus, its screen and the app, from their bindings; and every theme."""

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
        matcher = self.matcher(query)
        for title, help_text, key in self._commands():
            score = max(matcher.match(title), 0.6 * matcher.match(help_text))
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._press(key), text=title, help=help_text)
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

    def _choose_colours(self, name: str) -> None:
        if isinstance(self.app, ColouredApp):
            self.app.call_after_refresh(self.app.choose_colours, name)  # once the palette has closed

    def _press(self, key: str) -> "_Press":
        return _Press(self, key)

    def _choose_theme(self, name: str) -> None:
        self.app.theme = name


class _Press:
    """Does what the key does, once the palette has closed."""

    def __init__(self, provider: ActionCommands, key: str) -> None:
        self._provider, self._key = provider, key

    def __call__(self) -> None:
        self._provider.app.call_after_refresh(self._provider.app.simulate_key, self._key)
