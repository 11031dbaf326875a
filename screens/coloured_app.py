"""The part of the app that knows its terminal: how many colours it shows, and whether another one looks at it now."""

import os
import time
from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console
from textual import events, work
from textual.app import App, RenderResult
from textual.filter import LineFilter
from textual.widget import Widget

from screens import wording
from screens.colours import SELECTION_IN_16, DepthFilter
from vitbench.terminal_colours import ClientWatch, Colours, Depth, find_colours

Result = TypeVar("Result")

WATCH_EVERY = 1.0
"""Seconds between two looks at the socket of tmux; a look costs one `stat`."""


class ColouredApp(App[Result]):
    """Draws in true colour and sends what the terminal has: `colour_depth`, found again after each re-attach of tmux.

    Without a terminal, as in tests, everything stays in true colour.
    """

    def __init__(self) -> None:
        self.terminal_colours = Colours(Depth.TRUE, "not looked for")
        self._depth_filter = DepthFilter(Depth.TRUE)
        self._client_watch = ClientWatch()
        super().__init__()
        # Rich would take colours down by its own idea of the terminal; here the filter has done it.
        self.console = Console(
            color_system="truecolor",
            file=self.console.file,
            force_terminal=True,
            highlight=False,
            emoji=False,
            legacy_windows=False,
            safe_box=False,
            _environ={},
        )

    @property
    def colour_depth(self) -> Depth:
        """What the terminal shows."""
        return self.terminal_colours.depth

    def colour_setting(self) -> str:
        """What the person chose in the app: one of `terminal_colours.CHOICES`."""
        return "auto"

    def look_for_colours(self) -> None:
        """Finds out what the terminal shows, before the first paint; then watches for another terminal."""
        if not self.is_headless:
            self._show_in(find_colours(os.environ, self.colour_setting()))
            if self._client_watch.is_inside_tmux:
                self.set_interval(WATCH_EVERY, self._watch_client)

    def choose_colours(self, choice: str) -> None:
        """Shows everything in so many colours from now on: `auto`, or one of `Depth`'s values."""
        self._show_in(find_colours(os.environ, choice))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, then ours."""
        own = [self._depth_filter] if self._depth_filter.enabled else []
        return [*super().get_line_filters(), *own]

    def get_css_variables(self) -> dict[str, str]:
        """The theme's; where there are few colours, some that still differ from each other."""
        variables = super().get_css_variables()
        if self.colour_depth is Depth.SIXTEEN:
            variables |= SELECTION_IN_16[self.current_theme.dark]
            self.theme_variables = variables
        return variables

    def on_resize(self, _: events.Resize) -> None:
        """Another size may be another terminal."""
        self._watch_client()

    def _watch_client(self) -> None:
        if not self.is_headless and self._client_watch.may_have_changed(time.monotonic()):
            self.look_again()

    @work(thread=True, exclusive=True, group="terminal colours")
    def look_again(self) -> None:
        """Finds out anew, aside: tmux may take its time."""
        found = find_colours(os.environ, self.colour_setting())
        self.call_from_thread(self._show_in, found)

    def _show_in(self, found: Colours) -> None:
        before, self.terminal_colours = self.terminal_colours, found
        self.set_class(bool(found.hint), "-few-colours")
        if found.depth is not before.depth:
            self._depth_filter = DepthFilter(found.depth)
            self.refresh_css(animate=False)
        if found != before:
            for screen in self.screen_stack:
                for widget in screen.walk_children(Widget, with_self=True):
                    widget.refresh()


class ColourHint(Widget):
    """One quiet line below pictures, where they show fewer colours than they have: how to get more."""

    DEFAULT_CSS = "ColourHint { height: 1; width: 1fr; padding: 0 1; color: $secondary; display: none; }"

    def render(self) -> RenderResult:
        """The hint, in the width that there is."""
        hint = self.app.terminal_colours.hint if isinstance(self.app, ColouredApp) else ""
        return wording.fit(hint, max(0, self.size.width)).rstrip()
